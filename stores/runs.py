"""Rows of an array in consecutive runs, a run an owner: windows and pieces of passages, terms of pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[np.integer[Any]]]
Scores = np.ndarray[Any, np.dtype[np.float32]]


class Runs:
    """Which rows are whose, by the length of each owner's run; no run is empty."""

    def __init__(self, lengths: Sequence[int] | Numbers) -> None:
        self._lengths: Numbers = np.asarray(lengths, np.int64)
        self._first: Numbers = np.cumsum(self._lengths) - self._lengths

    def rows(self, owners: Numbers) -> tuple[Numbers, Numbers]:
        """All rows of some owners, run after run, and where in them each run begins."""
        lengths = self._lengths[owners]
        begins: Numbers = np.cumsum(lengths) - lengths
        return np.arange(lengths.sum()) + np.repeat(self._first[owners] - begins, lengths), begins

    def best(self, owners: Numbers, score: Callable[[Numbers], Scores]) -> Scores:
        """The highest score among the rows of each of some owners; `score` is asked for all rows at once."""
        rows, begins = self.rows(owners)
        highest: Scores = np.maximum.reduceat(score(rows), begins)
        return highest
