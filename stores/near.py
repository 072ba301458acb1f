"""Known words that are spelt like a word: what a question in another language, or with a slip, may mean.

`photography` and `fotografía`, `quantity` and `cantidad`: the languages of Europe share much of their words,
each in its own spelling. Two words are as near as the two- and three-letter pieces that they share (Dice),
rare pieces weighing more, once both are written in one rough spelling. Nothing was learnt from a data set.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

NEAREST, LEAST = 10, 0.3
SIZES = (2, 3)
# Sounds that these languages write differently.
SPELLING = [
    (re.compile(written), sound)
    for written, sound in (
        ("ph", "f"), ("th", "t"), ("ch", "k"), ("qu", "k"), ("ck", "k"), ("c(?=[eiy])", "s"), ("c", "k"),
        ("z", "s"), ("x", "s"), ("y", "i"), ("j", "h"), ("w", "u"), ("v", "b"), ("^es(?=[ptkm])", "s"),
        (r"(.)\1", r"\1"),
    )
]  # fmt: skip

Floats = np.ndarray[Any, np.dtype[np.float32]]


class Near:
    """The words of a vocabulary by their pieces; made in some seconds for 100,000 words, and not saved."""

    def __init__(self, words: Sequence[str]) -> None:
        where: dict[str, list[int]] = defaultdict(list)
        for position, word in enumerate(words):
            for piece in _pieces(word):
                where[piece].append(position)
        self._where = {piece: np.array(positions, np.int32) for piece, positions in where.items()}
        self._weights = {
            piece: float(np.log1p(len(words) / len(found))) for piece, found in self._where.items()
        }
        self._unknown = float(np.log1p(2 * len(words)))
        self._mass: Floats = np.zeros(len(words), np.float32)
        for piece, found in self._where.items():
            self._mass[found] += self._weights[piece]

    def of(self, word: str) -> list[tuple[int, float]]:
        """The positions of the nearest words, and how near each is (1: spelt the same); at most NEAREST."""
        pieces = _pieces(word)
        mass = sum(self._weights.get(piece, self._unknown) for piece in pieces)
        shared: Floats = np.zeros(len(self._mass), np.float32)
        for piece in pieces & self._where.keys():
            shared[self._where[piece]] += self._weights[piece]
        both = self._mass + np.float32(mass)
        good = np.flatnonzero(shared >= LEAST / 2 * both)
        nearness = 2 * shared[good] / both[good]
        best = np.argsort(-nearness, kind="stable")[:NEAREST]
        return [(int(good[at]), float(nearness[at])) for at in best]


def _pieces(word: str) -> set[str]:
    for written, sound in SPELLING:
        word = written.sub(sound, word)
    word = f"^{word}$"
    return {word[at : at + size] for size in SIZES for at in range(len(word) - size + 1)}
