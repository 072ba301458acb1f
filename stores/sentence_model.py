"""Any other embedding model, by its hub name or folder, through sentence-transformers and torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from errors import BadInput, PartMissing
from stores.embeddings import DEFAULT_MODEL, Embedder, Progress, Vectors
from stores.minilm import PROBE
from stores.windows import OVERLAP, spread


class SentenceModel(Embedder):
    """Any other model, by its hub name or folder, through sentence-transformers and torch."""

    def __init__(self, model: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise PartMissing(
                f"The embedding model {model} needs sentence-transformers: run `make setup-train`, "
                f"or leave EMBEDDING_MODEL at {DEFAULT_MODEL}."
            ) from error
        self.model = model
        try:
            self._encoder = SentenceTransformer(model)
        except (OSError, ValueError) as error:
            raise BadInput(
                f"EMBEDDING_MODEL={model} cannot be loaded: no such folder or hub model."
            ) from error
        self._size = int(self._encoder.max_seq_length or 512) - 2

    def windows(
        self, texts: Sequence[str], progress: Progress = lambda done: None
    ) -> tuple[Vectors, list[int]]:
        """Every window of every text [windows, dimension], and how many windows each text has."""
        cut = [self._cut(text) for text in texts]
        vectors = self._encode([piece for pieces in cut for piece in pieces])
        progress(len(vectors))
        return vectors, [len(pieces) for pieces in cut]

    def fingerprint(self) -> dict[str, Any]:
        """What tells this model from every other, for the index to remember."""
        probe = self.query(PROBE)
        return {
            "model": self.model,
            "dimension": len(probe),
            "window": [self._size, OVERLAP],
            "probe": [round(float(x), 5) for x in probe],
        }

    def stretches(self, text: str) -> list[tuple[int, int]]:
        """Where each window of a text begins and ends, in characters."""
        encoding = self._encoder.tokenizer(
            text, return_offsets_mapping=True, add_special_tokens=False, verbose=False
        )
        spans = spread(encoding["offset_mapping"], self._size)
        return [(span[0][0], span[-1][1]) for span in spans if span]

    def _cut(self, text: str) -> list[str]:
        return [text[start:end] for start, end in self.stretches(text)] or [text]

    def _encode(self, texts: list[str]) -> Vectors:
        encoded = self._encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(encoded, np.float32)
