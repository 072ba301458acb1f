"""The lexical half of retrieval: BM25 over stemmed words, kept as plain arrays beside the vectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stores.language import query_terms, terms

Scores = np.ndarray[Any, np.dtype[np.float32]]


class Lexical:
    """BM25 scores of every passage for a question; build it anew whenever the passages change."""

    def __init__(self, index: Any, languages: list[str]) -> None:
        self._index = index
        self._languages = languages

    @classmethod
    def build(cls, texts: Sequence[str], languages: Sequence[str]) -> Lexical:
        """Index texts, each in its own language; the cost grows with the number of words."""
        import bm25s

        index = bm25s.BM25()
        words = [terms(text, language) for text, language in zip(texts, languages, strict=True)]
        # A corpus without a single word cannot be indexed; one unknown word keeps it answerable with zeros.
        index.index(words if any(words) else [["\0"], *words[1:]], show_progress=False)
        return cls(index, sorted(set(languages)))

    def save(self, folder: Path) -> None:
        """Write the arrays and the vocabulary into a folder; nothing is pickled."""
        self._index.save(folder, show_progress=False)

    @classmethod
    def load(cls, folder: Path, languages: Sequence[str]) -> Lexical:
        """Read what `save` wrote."""
        import bm25s

        index = bm25s.BM25.load(folder, load_corpus=False, allow_pickle=False, show_progress=False)
        return cls(index, sorted(set(languages)))

    def scores(self, question: str) -> Scores:
        """The BM25 score of each passage [passages], 0 where no word is shared."""
        known = [term for term in query_terms(question, self._languages) if term in self._index.vocab_dict]
        if not known:
            return np.zeros(self._index.scores["num_docs"], np.float32)
        scores: Scores = self._index.get_scores(known)
        return scores
