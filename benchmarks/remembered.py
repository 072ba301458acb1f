"""An embedder that embeds a question once, so that a measurement times the search alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stores.embeddings import Embedder, Progress, Vectors


class Remembered(Embedder):
    """An embedder that embeds a question once, so that the search alone is timed."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self._known = embedder, dict[str, Vectors]()

    def query(self, text: str) -> Vectors:
        """The vector of a question, at once where it was asked before."""
        if text not in self._known:
            self._known[text] = self._embedder.query(text)
        return self._known[text]

    def windows(
        self, texts: Sequence[str], progress: Progress = lambda more: None
    ) -> tuple[Vectors, list[int]]:
        """As the embedder."""
        return self._embedder.windows(texts, progress)

    def stretches(self, text: str) -> list[tuple[int, int]]:
        """As the embedder."""
        return self._embedder.stretches(text)

    def fingerprint(self) -> dict[str, Any]:
        """As the embedder."""
        return self._embedder.fingerprint()
