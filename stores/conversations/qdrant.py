"""What the embedded engine and a server have in common: their models bear the same names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import chain
from typing import Any

import numpy as np

from stores.collection import Compared, Point, Scope, Scored, Words

WINDOWS, WORDS = "windows", "words"
PAGE, MOST_VALUES = 1000, 1_000_000
# The graph: links of a point, and how widely is looked when it is built and when it is asked. With the
# engine's own (16, 100, 100) a quarter of the nearest is missed among 50,000 turns (docs/recall.md).
GRAPH, ASKED = {"m": 32, "ef_construct": 400}, 256
NOTHING = "There are no conversations yet: run `make ingest`."


class Qdrant(ABC):
    """What both forms share: their models have the same names."""

    _models: Any

    def nearest(self, vector: list[float], limit: int, scope: Scope) -> Scored:
        """By cosine."""
        models = self._models
        # The graph walks over vectors of int8; the scores are exact.
        exact = models.QuantizationSearchParams(rescore=True)
        widely = models.SearchParams(hnsw_ef=ASKED, quantization=exact)
        return self._query([vector], WINDOWS, limit, self._within(scope), widely)

    def lexical(self, terms: list[int], limit: int, scope: Scope) -> Scored:
        """By BM25."""
        words = self._models.SparseVector(indices=terms, values=[1.0] * len(terms))
        return self._query(words, WORDS, limit, self._within(scope)) if terms else []

    def compared(self, vector: list[float], points: list[str]) -> list[Compared]:
        """By cosine, each window."""
        found = self.fetch(points, True) if points else []
        windows = [window for point in found for window in point["windows"]]
        # Twice as fast as np.array, which matters for some 30,000 numbers.
        flat = np.fromiter(chain.from_iterable(windows), np.float32, len(windows) * len(vector))
        cosines = iter((flat.reshape(-1, len(vector)) @ np.array(vector, np.float32)).tolist())
        return [
            Compared(
                id=point["id"],
                cosines=[next(cosines) for _ in point["windows"]],
                payload=point["payload"],
            )
            for point in found
        ]

    def ids(self, scope: Scope) -> list[str]:
        """All of them, page by page."""
        found: list[str] = []
        offset: Any = None
        within = self._within(scope)
        while True:
            page, offset = self._page(offset, within)
            found += [str(record.id) for record in page]
            if offset is None:
                return found

    def _within(self, scope: Scope) -> Any:
        models = self._models

        def condition(field: str, value: str) -> Any:
            return models.FieldCondition(key=f"metadata.{field}", match=models.MatchValue(value=value))

        fields = (("project", scope.get("project")), ("sessions", scope.get("session")))
        wanted = [condition(field, value) for field, value in fields if value]
        own = scope.get("exclude_session")
        unwanted = [condition("sessions", own)] if own else []
        return models.Filter(must=wanted, must_not=unwanted) if wanted or unwanted else None

    @abstractmethod
    def _query(self, query: Any, using: str, limit: int, within: Any, params: Any = None) -> Scored: ...

    @abstractmethod
    def fetch(self, points: list[str], with_windows: bool) -> list[Point]:
        """By id."""

    @abstractmethod
    def _page(self, offset: Any, within: Any) -> tuple[list[Any], Any]: ...


def plain(record: Any) -> Point:
    """A record of Qdrant as plain data."""
    windows = (record.vector or {}).get(WINDOWS, [])
    return Point(
        id=str(record.id), windows=windows, words=Words(indices=[], values=[]), payload=record.payload
    )
