"""What users can have anywhere, to stand beside ours: plain dense search, BM25, and both by rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from langchain_core.documents import Document

from stores.embeddings import Embedder, Vectors
from stores.language import detect, terms
from stores.minilm import MiniLM

Search = Callable[[str, int], list[Document]]
RRF_K = 60
POOL = 100


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
    import bm25s

    texts = [passage.page_content for passage in passages]
    indexes: dict[str, bm25s.BM25] = {}

    def search(question: str, k: int) -> list[Document]:
        language = detect(question)
        if language not in indexes:
            indexes[language] = bm25s.BM25()
            indexes[language].index([terms(text, language) for text in texts], show_progress=False)
        index = indexes[language]
        known = [term for term in terms(question, language) if term in index.vocab_dict]
        scores = index.get_scores(known) if known else np.zeros(len(passages))
        return [passages[row] for row in np.argsort(-scores, kind="stable")[:k]]

    return search


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
