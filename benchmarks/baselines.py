"""What users can have anywhere, to stand beside ours: dense search, BM25, both by rank, both by score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from langchain_core.documents import Document

from stores.embeddings import Embedder, Vectors
from stores.language import detect, terms
from stores.minilm import MiniLM

Search = Callable[[str, int], list[Document]]
RRF_K = 60
POOL = 100
DENSE_WEIGHT = 0.3
Scoring = Callable[[str], "np.ndarray[Any, Any]"]


def plain(passages: Sequence[Document], embedder: Embedder) -> Search:
    """The usual recipe: each passage cut off after 256 tokens, one vector, nearest by cosine (FAISS)."""
    assert isinstance(embedder, MiniLM)  # noqa: S101  # the baseline is of this model
    near = nearest(embedder.truncated([passage.page_content for passage in passages]))
    return lambda question, k: [passages[row] for row in near(embedder.query(question), k)]


def nearest(vectors: Vectors) -> Callable[[Vectors, int], list[int]]:
    """The rows of the k vectors with the greatest cosine, by FAISS's flat index."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return lambda vector, k: [int(row) for row in index.search(vector[None], min(k, len(vectors)))[1][0]]


def bm25(passages: Sequence[Document]) -> Search:
    """BM25 with the stop words and the stemmer of the question's language on both sides."""
    return _ranked(passages, _worded(passages))


def convex(passages: Sequence[Document], embedder: Embedder) -> Search:
    """The simple mixture: 0.3 of the cosine and 0.7 of BM25, each scaled to 0..1 over all passages."""
    assert isinstance(embedder, MiniLM)  # noqa: S101  # as above
    vectors, worded = embedder.truncated([passage.page_content for passage in passages]), _worded(passages)

    def scores(question: str) -> np.ndarray[Any, Any]:
        dense, lexical = vectors @ embedder.query(question), worded(question)
        scaled = [(one - one.min()) / max(float(np.ptp(one)), 1e-9) for one in (dense, lexical)]
        mixed: np.ndarray[Any, Any] = DENSE_WEIGHT * scaled[0] + (1 - DENSE_WEIGHT) * scaled[1]
        return mixed

    return _ranked(passages, scores)


def _ranked(passages: Sequence[Document], scores: Scoring) -> Search:
    def search(question: str, k: int) -> list[Document]:
        return [passages[row] for row in np.argsort(-scores(question), kind="stable")[:k]]

    return search


def _worded(passages: Sequence[Document]) -> Scoring:
    import bm25s

    texts = [passage.page_content for passage in passages]
    indexes: dict[str, bm25s.BM25] = {}

    def scores(question: str) -> np.ndarray[Any, Any]:
        language = detect(question)
        if language not in indexes:
            indexes[language] = bm25s.BM25()
            indexes[language].index([terms(text, language) for text in texts], show_progress=False)
        index = indexes[language]
        known = [term for term in terms(question, language) if term in index.vocab_dict]
        found: np.ndarray[Any, Any] = index.get_scores(known) if known else np.zeros(len(passages))
        return found

    return scores


def rrf(searches: Sequence[Search]) -> Search:
    """Reciprocal rank fusion of other searches, k = 60."""

    def search(question: str, k: int) -> list[Document]:
        scores: dict[int, float] = {}
        found: dict[int, Document] = {}
        for one in searches:
            for rank, passage in enumerate(one(question, POOL), start=1):
                found[id(passage)] = passage
                scores[id(passage)] = scores.get(id(passage), 0.0) + 1 / (RRF_K + rank)
        return [found[key] for key in sorted(scores, key=lambda key: -scores[key])[:k]]

    return search
