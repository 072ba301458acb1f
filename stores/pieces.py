"""A passage in pieces of a sentence or a few lines, since one sentence answers and the rest of it dilutes.

The pieces' vectors are a second opinion beside the windows'. They are kept in a byte a number, which costs
less than 0.002 of a cosine and three quarters less room.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stores.embeddings import Vectors
from stores.runs import Numbers, Scores

# A piece has at least so many characters, a passage at most so many pieces.
SHORTEST, MOST = 100, 8
BETWEEN = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
LEVELS = 127

Bytes = np.ndarray[Any, np.dtype[np.int8]]


def cut(text: str) -> list[str]:
    """Sentences and lines, put together until each has SHORTEST characters; a text of few words is one."""
    parts = [part.strip() for part in BETWEEN.split(text) if part.strip()]
    pieces = _merged(parts, SHORTEST)
    return (pieces if len(pieces) <= MOST else _merged(parts, len(text) // MOST + 1)) or [text]


def _merged(parts: Sequence[str], shortest: int) -> list[str]:
    pieces: list[str] = []
    for part in parts:
        if pieces and len(pieces[-1]) < shortest:
            pieces[-1] += f" {part}"
        else:
            pieces.append(part)
    if len(pieces) > 1 and len(pieces[-1]) < shortest // 2:
        last = pieces.pop()
        pieces[-1] += f" {last}"
    return pieces


@dataclass(frozen=True)
class Packed:
    """Unit vectors as bytes [vectors, dimension] and the factor of each [vectors]."""

    levels: Bytes
    factors: Scores

    @classmethod
    def of(cls, vectors: Vectors) -> Packed:
        """Vectors in a quarter of their size."""
        factors = np.maximum(np.abs(vectors).max(axis=1), 1e-12) / LEVELS
        return cls(np.round(vectors / factors[:, None]).astype(np.int8), factors.astype(np.float32))

    @classmethod
    def joined(cls, parts: Sequence[Packed], dimension: int) -> Packed:
        """Parts one after the other."""
        levels = [np.empty((0, dimension), np.int8), *(part.levels for part in parts)]
        factors = [np.empty(0, np.float32), *(part.factors for part in parts)]
        return cls(np.concatenate(levels), np.concatenate(factors))

    def __getitem__(self, rows: slice) -> Packed:
        return Packed(self.levels[rows], self.factors[rows])

    def cosines(self, rows: Numbers, vector: Vectors) -> Scores:
        """The cosine of a unit vector with some of these."""
        near: Scores = (self.levels[rows].astype(np.float32) @ vector) * self.factors[rows]
        return near

    def save(self, folder: Path) -> None:
        """Write both arrays into a folder."""
        self.levels.tofile(folder / "pieces.i8")
        self.factors.astype("<f4").tofile(folder / "pieces.f32")

    @classmethod
    def load(cls, folder: Path, dimension: int) -> Packed:
        """Read what `save` wrote."""
        levels = np.fromfile(folder / "pieces.i8", np.int8).reshape(-1, dimension)
        return cls(levels, np.fromfile(folder / "pieces.f32", "<f4"))
