"""Rows that nearly repeat another: found by the smallest hashes of their word shingles.

A sketch is the 128 smallest hashes of a text's shingles. How many of the 128 smallest of two texts are in
both estimates how alike they are (Jaccard; exact for short texts, else ± 0.04). Texts that are alike have one
of their 16 smallest in common almost surely, so that each is compared with few others: linear in rows.
"""

from __future__ import annotations

import hashlib
import heapq
import re

ALIKE = 0.8  # of the shingles of both texts; below, the difference is worth learning
WORDS = 5  # a shingle
SKETCH = 128
LOOKED_UP = 16
MOST = 32  # rows compared for one hash: a phrase that all rows share must not make it quadratic

_WORD = re.compile(r"\w+")


class Near:
    """The texts taken so far; the same texts in the same order give the same answers on any machine."""

    def __init__(self, alike: float = ALIKE) -> None:
        self._alike = alike
        self._sketches: list[list[int]] = []
        self._places: dict[int, list[int]] = {}

    def repeats(self, text: str) -> bool:
        """Whether a text taken before is nearly the same; if none is, this one is taken."""
        sketch = _sketch(text)
        tried: set[int] = set()
        for shingle in sketch[:LOOKED_UP]:
            for at in self._places.get(shingle, ()):
                if at not in tried and likeness(sketch, self._sketches[at]) >= self._alike:
                    return True
                tried.add(at)
        for shingle in sketch[:LOOKED_UP]:
            places = self._places.setdefault(shingle, [])
            if len(places) < MOST:
                places.append(len(self._sketches))
        self._sketches.append(sketch)
        return False


def likeness(one: list[int], other: list[int]) -> float:
    """The estimated Jaccard similarity of two texts by their sketches: 0 to 1."""
    ours, theirs = set(one), set(other)
    smallest = heapq.nsmallest(SKETCH, ours | theirs)
    return sum(shingle in ours and shingle in theirs for shingle in smallest) / max(len(smallest), 1)


def _sketch(text: str) -> list[int]:
    words = _WORD.findall(text.lower())
    starts = range(max(len(words) - WORDS + 1, 1))
    shingles = {_hash(" ".join(words[at : at + WORDS])) for at in starts}
    return heapq.nsmallest(SKETCH, shingles)


def _hash(shingle: str) -> int:
    return int.from_bytes(hashlib.blake2b(shingle.encode("utf-8", "replace"), digest_size=8).digest())
