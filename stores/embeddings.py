"""Text to vectors: which embedding model a setting names, and what the stores ask of it.

A model sees a few hundred tokens and drops the rest in silence (MiniLM: 256). A longer text is therefore
embedded in overlapping windows that together show it every token.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from stores import minilm_graph

Vectors = np.ndarray[Any, np.dtype[np.float32]]
Progress = Callable[[int], None]

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class Embedder(Embeddings):
    """What the stores ask of an embedding model; every vector is float32 of unit length."""

    model: str
    calibrated = False
    """Whether the confidence was measured with its cosines (stores/confidence.py)."""

    @abstractmethod
    def windows(
        self, texts: Sequence[str], progress: Progress = lambda more: None
    ) -> tuple[Vectors, list[int]]:
        """Every window of every text [windows, dimension], and how many windows each text has."""

    @abstractmethod
    def stretches(self, text: str) -> list[tuple[int, int]]:
        """Where each window of a text begins and ends, in characters."""

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """What tells this model from every other, for the index to remember."""

    def query(self, text: str) -> Vectors:
        """One question [dimension]; the mean of its windows where it is longer than the model sees."""
        mean = self.windows([text])[0].mean(axis=0)
        unit: Vectors = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return unit

    def embed_query(self, text: str) -> list[float]:
        """`query`, as LangChain asks for it."""
        return [float(value) for value in self.query(text)]

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text, as LangChain asks for it."""
        return [self.embed_query(text) for text in texts]


def load_embedder(model: str, cache: Path, threads: int) -> Embedder:
    """The embedder that a setting names; `cache` keeps the assembled graph (90 MB).

    Raises:
        PartMissing: the weights or sentence-transformers are not installed.
    """
    from stores.minilm import MiniLM
    from stores.sentence_model import SentenceModel

    if model == DEFAULT_MODEL:
        return MiniLM(model, minilm_graph.bundled_folder(), cache, threads)
    if minilm_graph.is_genuine(Path(model)):
        return MiniLM(model, Path(model), cache, threads)
    return SentenceModel(model)


def same_model(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two fingerprints are of the same model: the same facts, and probe vectors that agree."""
    names = (one.keys() | other.keys()) - {"probe"}
    if any(one.get(name) != other.get(name) for name in names):
        return False
    return float(np.dot(one["probe"], other["probe"])) > 0.999
