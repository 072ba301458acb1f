"""How much of a question stands together in one piece of a passage, not scattered over all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from stores.runs import Numbers, Runs, Scores

# What ends a piece: the number of no term.
END = -1

Terms = np.ndarray[Any, np.dtype[np.int32]]


@dataclass(frozen=True)
class Together:
    """The numbers of the terms of each piece, each piece closed by END, and how many pieces a passage has."""

    terms: Terms
    pieces: Terms

    @classmethod
    def of(cls, passages: Sequence[Sequence[Iterable[int]]]) -> Together:
        """The terms of passages, given as the terms of their pieces; each term counts once a piece."""
        closed = ((*dict.fromkeys(piece), END) for pieces in passages for piece in pieces)
        terms = np.fromiter(chain.from_iterable(closed), np.int32)
        return cls(terms, np.array([len(pieces) for pieces in passages], np.int32))

    def save(self, folder: Path) -> None:
        """Write both arrays into a folder."""
        self.terms.astype("<i4").tofile(folder / "terms.i32")
        self.pieces.astype("<i4").tofile(folder / "pieces.i32")

    @classmethod
    def load(cls, folder: Path) -> Together:
        """Read what `save` wrote."""
        return cls(np.fromfile(folder / "terms.i32", "<i4"), np.fromfile(folder / "pieces.i32", "<i4"))

    def best(self, passages: Numbers, words: Sequence[dict[int, float]], vocabulary: int) -> Scores:
        """For each of some passages the most that one of its pieces holds of some words.

        A word is what each term is worth that may stand for it; the best that is there counts.
        """
        return self._passages.best(passages, lambda pieces: self._held(pieces, words, vocabulary))

    def _held(self, pieces: Numbers, words: Sequence[dict[int, float]], vocabulary: int) -> Scores:
        rows, begins = self._pieces.rows(pieces)
        terms = self.terms[rows]
        total: Scores = np.zeros(len(pieces), np.float32)
        worth: Scores = np.zeros(vocabulary + 1, np.float32)  # one more, which END finds
        for word in words:
            worth[list(word)] = list(word.values())
            total += np.maximum.reduceat(worth[terms], begins)
            worth[list(word)] = 0
        return total

    @cached_property
    def _passages(self) -> Runs:
        return Runs(self.pieces)

    @cached_property
    def _pieces(self) -> Runs:
        return Runs(np.diff(np.flatnonzero(self.terms == END), prepend=-1))
