"""The passages of a folder as a LangChain vector store: FAISS and BM25+ in memory, fused into one order.

Both find candidates; what orders them is told in docs/retrieval.md.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore

from stores.confidence import MOST_WORDS, confidence, odds
from stores.corpus import Corpus, embed
from stores.embeddings import Embedder, Vectors
from stores.lexical import Asked, Lexical
from stores.ranking import POOL, Evidence, Weights, best, nearness, weighed
from stores.runs import Numbers, Runs, Scores


class Documents(VectorStore):
    """Search over passages: dense and lexical, fused into one relevance, with the cosine kept beside it."""

    def __init__(
        self, embedder: Embedder, corpus: Corpus, lexical: Lexical, ranking: Weights | None = None
    ) -> None:
        self._embedder = embedder
        self._corpus = corpus
        self._lexical = lexical
        self._weights = ranking or Weights()
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

        `score` is the cosine of the best window, `nearness` its mean with that of the best piece, `cover` the
        share of the question's words that the passage holds, and `confidence` what these two say together.
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
        chosen = self._distinct(candidates, best(fused, len(candidates)), k)
        found = {
            "score": evidence.window[chosen],
            "relevance": fused[chosen],
            "nearness": nearness(evidence, self._weights)[chosen],
            "cover": self._lexical.share(asked, candidates[chosen]),
        }
        each = [dict(zip(found, map(float, row), strict=True)) for row in zip(*found.values(), strict=True)]
        return [self._hit(int(candidates[at]), asked, told) for at, told in zip(chosen, each, strict=True)]

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

    def _distinct(self, candidates: Numbers, order: list[int], k: int) -> list[int]:
        """The first k of different text: copies of a file must not take every place."""
        chosen: dict[str, int] = {}
        for at in order:
            chosen.setdefault(self._corpus.passages[candidates[at]].page_content, at)
            if len(chosen) == k:
                break
        return list(chosen.values())

    def _hit(self, position: int, asked: Asked, found: dict[str, float]) -> Document:
        passage = self._corpus.passages[position]
        sure = None
        if self._embedder.calibrated and len(asked.words) <= MOST_WORDS:
            given = odds(asked.language, passage.metadata["language"])
            sure = round(confidence(found["nearness"], found["cover"], given), 4)
        scores = {name: round(value, 4) for name, value in found.items()} | {"confidence": sure}
        return Document(id=passage.id, page_content=passage.page_content, metadata=passage.metadata | scores)


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
