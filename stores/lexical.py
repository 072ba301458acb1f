"""The lexical half of retrieval: BM25+ over the stems of passages, and what of a question one piece holds.

A question's word counts as the best of all that it may stand for: itself, and where that cannot be it (the
text is in another language, or the word is in no text) the words that are spelt like it (stores/near.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from stores.asking import asked_in, asked_words
from stores.language import stem, terms
from stores.near import Near
from stores.pieces import cut
from stores.runs import Numbers, Scores
from stores.together import Together

# How rare a word is, is told from at least so many texts: in a folder of two every word seems common.
FEW = 100
# Robertson's k1 and b. Lv and Zhai's delta: that a word is there at all counts, in a long passage too.
K1, B, DELTA = 1.2, 0.75, 1.0


@dataclass(frozen=True)
class Asked:
    """A question: for each word the terms that it may stand for, and how surely (1: itself)."""

    language: str
    words: list[dict[int, float]]


class Lexical:
    """What the words of a question say for each passage; build it anew whenever the passages change."""

    def __init__(self, index: Any, together: Together, languages: Sequence[str]) -> None:
        self._index, self._together = index, together
        self._languages = sorted(set(languages))

    @classmethod
    def build(
        cls, texts: Sequence[str], languages: Sequence[str], names: Sequence[str] = (), delta: float = DELTA
    ) -> Lexical:
        """Index texts, each in its language and with the words of its name; the cost grows with the words."""
        known: dict[str, int] = {}

        def numbers(text: str, language: str) -> list[int]:
            return [known.setdefault(term, len(known)) for term in terms(text, language)]

        pieces = [
            [numbers(piece, language) for piece in cut(text)]
            for text, language in zip(texts, languages, strict=True)
        ]
        named = [numbers(name, language) for name, language in zip(names, languages, strict=False)]
        words = [sum(parts, named[at] if named else []) for at, parts in enumerate(pieces)]
        return cls(_weighed(words, known, delta), Together.of(pieces), languages)

    def save(self, folder: Path) -> None:
        """Write the arrays and the vocabulary into a folder; nothing is pickled."""
        self._index.save(folder, show_progress=False)
        self._together.save(folder)

    @classmethod
    def load(cls, folder: Path, languages: Sequence[str]) -> Lexical:
        """Read what `save` wrote."""
        import bm25s

        index = bm25s.BM25.load(folder, load_corpus=False, allow_pickle=False, show_progress=False)
        return cls(index, Together.load(folder), languages)

    def read(self, question: str) -> Asked:
        """A question's language and what its words may stand for."""
        own = asked_in(question)
        return Asked(own, [self._meanings(word, own) for word in asked_words(question, own)])

    def scores(self, asked: Asked) -> Scores:
        """The BM25+ score of each passage [passages], 0 where no word is shared."""
        total: Scores = np.zeros(self._index.scores["num_docs"], np.float32)
        for word in asked.words:
            best: Scores = np.zeros_like(total)
            for term, sureness in word.items():
                passages, weights = self._column(term)
                best[passages] = np.maximum(best[passages], sureness * weights)
            total += best
        return total

    def cover(self, asked: Asked, passages: Numbers) -> Scores:
        """How much of a question the best piece of each passage holds: rare words weigh more."""
        worth, _ = _worth(asked, self._rarity)
        return self._together.best(passages, worth, len(self._rarity))

    def share(self, asked: Asked, passages: Numbers) -> Scores:
        """Which share of a question each passage holds, with its name, 0..1: rare words weigh more.

        A word that is in no passage weighs most, so that a question about something else is not covered.
        """
        texts = max(self._index.scores["num_docs"], FEW)
        worth, whole = _worth(asked, self._rarity_of_many, float(_idf(np.zeros(1, int), texts)[0]))
        held: Scores = np.zeros(len(passages), np.float32)
        for word in worth:
            each = [value * self._hold(term, passages) for term, value in word.items()]
            held += np.max(each, axis=0, initial=0)
        return held / np.float32(max(whole, 1e-9))

    def _meanings(self, word: str, own: str) -> dict[int, float]:
        known = self._index.vocab_dict
        forms = {stem(word, language) for language in (own, *self._languages)}
        found = {known[form]: 1.0 for form in forms if form in known}
        if not found or any(language != own for language in self._languages):
            for term, nearness in self._near.of(stem(word, own)):
                found[term] = max(found.get(term, 0.0), nearness**2)
        return found

    @cached_property
    def _near(self) -> Near:
        return Near(list(self._index.vocab_dict))

    @cached_property
    def _rarity(self) -> Scores:
        return _rarity(self._index, self._index.scores["num_docs"])

    @cached_property
    def _rarity_of_many(self) -> Scores:
        return _rarity(self._index, max(self._index.scores["num_docs"], FEW))

    def _hold(self, term: int, passages: Numbers) -> Any:
        """Which of some passages hold a term, in their text or their name."""
        having, _ = self._column(term)
        return having[np.minimum(np.searchsorted(having, passages), len(having) - 1)] == passages

    def _column(self, term: int) -> tuple[Any, Scores]:
        columns = self._index.scores
        begin, end = columns["indptr"][term : term + 2]
        return columns["indices"][begin:end], columns["data"][begin:end]


def _weighed(words: Sequence[Sequence[int]], known: dict[str, int], delta: float) -> Any:
    """The BM25+ weight of each term in each text, as bm25s keeps them."""
    import bm25s

    index = bm25s.BM25(method="atire", idf_method="lucene", k1=K1, b=B)
    # A corpus without a single word cannot be indexed; one unknown word keeps it answerable with zeros.
    given = (words, known) if known else ([[0], *words[1:]], {"\0": 0})
    index.index(given, create_empty_token=False, show_progress=False)
    # The library gives its delta to the texts without the word too, which moves none past another.
    columns = index.scores
    each = np.repeat(_rarity(index, index.scores["num_docs"]), np.diff(columns["indptr"]))
    columns["data"] += delta * each
    return index


def _worth(asked: Asked, rarity: Scores, unknown: float = 0.0) -> tuple[list[dict[int, float]], float]:
    """What each term counts that a word may stand for, and what all words count together."""
    worth = [
        {term: sureness * float(rarity[term]) for term, sureness in word.items()} for word in asked.words
    ]
    return worth, sum(max(word.values(), default=unknown) for word in worth)


def _rarity(index: Any, texts: int) -> Scores:
    """The IDF of each term, were there so many texts."""
    return _idf(np.diff(index.scores["indptr"]), texts)


def _idf(having: Numbers, texts: int) -> Scores:
    idf: Scores = np.log(1 + (texts - having + 0.5) / (having + 0.5)).astype(np.float32)
    return idf
