"""The passages of a folder as a LangChain vector store: FAISS and BM25+ in memory, fused into one order.

Both find candidates; what orders them is told in docs/retrieval.md.
"""

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
from stores.lexical import Lexical
from stores.ranking import POOL, Evidence, Weights, best, weighed
from stores.runs import Numbers, Runs, Scores


class Documents(VectorStore):
    """Search over passages: dense and lexical, fused into one relevance, with the cosine kept beside it."""

    def __init__(
        self, embedder: Embedder, corpus: Corpus, lexical: Lexical, weights: Weights | None = None
    ) -> None:
        self._embedder = embedder
        self._corpus = corpus
        self._lexical = lexical
        self._weights = weights or Weights()
        self._windows, self._pieces = Runs(corpus.windows), Runs(corpus.pieces)
        self._dense = _faiss(embedder, corpus)

    @classmethod
    def open(cls, folder: Path, embedder: Embedder, dimension: int) -> Documents:
        """The store that `Corpus.save` wrote into a folder."""
        corpus = Corpus.load(folder, dimension)
        return cls(embedder, corpus, Lexical.load(folder / "lexical", corpus.languages()))

    def __len__(self) -> int:
        return len(self._corpus.passages)

    def find(self, question: str, k: int) -> list[Document]:
        """The k most relevant passages; metadata gains `relevance` (fused, 0..1) and what it came from.

        `score` is the cosine of the best window, `piece` that of the best piece, `cover` how much of the
        question's words one piece holds.
        """
        if not self._corpus.passages:
            return []
        vector = self._embedder.query(question)
        asked = self._lexical.read(question)
        words = self._lexical.scores(asked)
        candidates = self._candidates(vector, words)
        evidence = Evidence(
            window=self._windows.best(candidates, lambda rows: self._corpus.vectors[rows] @ vector),
            piece=self._pieces.best(candidates, lambda rows: self._corpus.packed.cosines(rows, vector)),
            words=words[candidates],
            cover=self._lexical.cover(asked, candidates),
        )
        fused = weighed(evidence, asked.language, self._weights)
        order = best(fused, len(candidates))
        return _distinct((self._hit(int(candidates[at]), evidence, fused, at) for at in order), k)

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

    def _candidates(self, vector: Vectors, words: Scores) -> Numbers:
        near = self._dense.similarity_search_with_score_by_vector(vector.tolist(), k=POOL)
        return np.array(sorted({int(document.id) for document, _ in near} | set(best(words, POOL))))

    def _hit(self, position: int, evidence: Evidence, fused: Scores, at: int) -> Document:
        passage = self._corpus.passages[position]
        told = {
            "score": evidence.window[at],
            "relevance": fused[at],
            "piece": evidence.piece[at],
            "cover": evidence.cover[at],
        }
        scores = {name: round(float(value), 4) for name, value in told.items()}
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
