"""The passages of a folder as a LangChain vector store: FAISS and BM25 in memory, fused into one order."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from stores.corpus import Corpus, embed
from stores.embeddings import Embedder, Vectors
from stores.language import detect
from stores.lexical import Lexical
from stores.ranking import POOL, best, relevance


class Documents(VectorStore):
    """Search over passages: dense and lexical, fused into one relevance, with the cosine kept beside it."""

    def __init__(self, embedder: Embedder, corpus: Corpus, lexical: Lexical) -> None:
        self._embedder = embedder
        self._corpus = corpus
        self._lexical = lexical
        self._first = np.cumsum([0, *corpus.windows])
        self._dense = _faiss(embedder, corpus)

    @classmethod
    def open(cls, folder: Path, embedder: Embedder, dimension: int) -> Documents:
        """The store that `Corpus.save` wrote into a folder."""
        corpus = Corpus.load(folder, dimension)
        return cls(embedder, corpus, Lexical.load(folder / "lexical", corpus.languages()))

    def __len__(self) -> int:
        return len(self._corpus.passages)

    def find(self, question: str, k: int) -> list[Document]:
        """The k most relevant passages; metadata gains `score` (the cosine) and `relevance` (fused, 0..1)."""
        if not self._corpus.passages:
            return []
        vector = self._embedder.query(question)
        words = self._lexical.scores(question)
        near = self._dense.similarity_search_with_score_by_vector(vector.tolist(), k=POOL)
        candidates = sorted({int(document.id) for document, _ in near} | set(best(words, POOL)))
        cosines = np.array([self._cosine(vector, candidate) for candidate in candidates], np.float32)
        fused = relevance(cosines, words[candidates], detect(question))
        found = (self._hit(candidates[at], cosines[at], fused[at]) for at in best(fused, len(candidates)))
        return _distinct(found, k)

    def similarity_search(self, query: str, k: int = 4, **_: Any) -> list[Document]:
        """LangChain's name for `find`."""
        return self.find(query, k)

    def similarity_search_with_score(self, query: str, k: int = 4, **_: Any) -> list[tuple[Document, float]]:
        """The same passages, each with its cosine."""
        return [(document, document.metadata["score"]) for document in self.find(query, k)]

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **_: Any
    ) -> list[tuple[Document, float]]:
        return [(document, document.metadata["relevance"]) for document in self.find(query, k)]

    @classmethod
    def from_texts(
        cls, texts: list[str], embedding: Embeddings, metadatas: list[dict[str, Any]] | None = None, **_: Any
    ) -> Documents:
        """An index of texts in memory only. `embedding` must be one of stores.embeddings."""
        described = metadatas or [{} for _ in texts]
        documents = [Document(text, metadata=data) for text, data in zip(texts, described, strict=True)]
        corpus = embed(documents, embedding)  # type: ignore[arg-type]  # LangChain's signature is the wider one
        return cls(embedding, corpus, corpus.lexical())  # type: ignore[arg-type]  # as above

    def _cosine(self, vector: Vectors, position: int) -> float:
        rows = self._corpus.vectors[self._first[position] : self._first[position + 1]]
        return float((rows @ vector).max())

    def _hit(self, position: int, cosine: float, fused: float) -> Document:
        passage = self._corpus.passages[position]
        scores = {"score": round(float(cosine), 4), "relevance": round(float(fused), 4)}
        return Document(id=passage.id, page_content=passage.page_content, metadata=passage.metadata | scores)


def _distinct(found: Iterable[Document], k: int) -> list[Document]:
    """The first k of different text: copies of a file must not take every place."""
    chosen: dict[str, Document] = {}
    for document in found:
        chosen.setdefault(document.page_content, document)
        if len(chosen) == k:
            break
    return list(chosen.values())


def _faiss(embedder: Embedder, corpus: Corpus) -> Any:
    """LangChain's FAISS store over the windows, in memory only; inner product of unit vectors: the cosine."""
    import faiss

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # langchain-community announces its end: decisions.md
        from langchain_community.docstore.in_memory import InMemoryDocstore
        from langchain_community.vectorstores.faiss import FAISS
        from langchain_community.vectorstores.utils import DistanceStrategy

    index: Any = faiss.IndexFlatIP(corpus.vectors.shape[1])
    index.add(corpus.vectors)
    if hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus():
        index = faiss.index_cpu_to_all_gpus(index)
    owners = np.repeat(np.arange(len(corpus.passages)), corpus.windows)
    return FAISS(
        embedding_function=embedder,
        index=index,
        docstore=InMemoryDocstore({str(passage.id): passage for passage in corpus.passages}),
        index_to_docstore_id=dict(enumerate(map(str, owners))),
        distance_strategy=DistanceStrategy.MAX_INNER_PRODUCT,
    )
