"""What the memory asks of a vector collection, in plain data that can also travel between processes."""

from __future__ import annotations

from typing import Any, Protocol, TypedDict

# Every metadata field that filters or is counted has an index.
INDEXED = ("project", "sessions", "language")


class Words(TypedDict):
    """A sparse vector: hashed terms and their BM25 weights."""

    indices: list[int]
    values: list[float]


class Payload(TypedDict):
    """LangChain's layout, so that its own vector store reads the collection too."""

    page_content: str
    metadata: dict[str, Any]


class Point(TypedDict):
    """A turn: the unit vectors of its text's windows [windows, dimension], its words and its payload."""

    id: str
    windows: list[list[float]]
    words: Words
    payload: Payload


class Compared(TypedDict):
    """A turn beside a vector: the cosine of each of its windows, in their order."""

    id: str
    cosines: list[float]
    payload: Payload


class Scope(TypedDict, total=False):
    """What is looked at: one project, one session, all but one session; None is no restriction."""

    project: str | None
    session: str | None
    exclude_session: str | None


Scored = list[tuple[str, float]]


class Collection(Protocol):
    """A collection of turns; every operation may be repeated without harm."""

    def facts(self) -> dict[str, Any] | None:
        """What `create` was given; None where there is no collection."""

    def create(self, facts: dict[str, Any], dimension: int, anew: bool = True) -> None:
        """Make the collection, empty; one that somebody made meanwhile stays, unless it shall be `anew`."""

    def upsert(self, points: list[Point]) -> None:
        """Write points; they are found when this returns."""

    def relabel(self, point: str, metadata: dict[str, Any]) -> None:
        """Set some fields of a point's metadata."""

    def delete(self, points: list[str]) -> None:
        """Remove points; one that is not there is no error."""

    def nearest(self, vector: list[float], limit: int, scope: Scope) -> Scored:
        """The points of highest cosine (that of their best window), best first."""

    def lexical(self, terms: list[int], limit: int, scope: Scope) -> Scored:
        """The points of highest BM25 score for some hashed terms, best first."""

    def compared(self, vector: list[float], points: list[str]) -> list[Compared]:
        """Some points, in any order, window by window; computed where they are, for windows are large."""

    def fetch(self, points: list[str], with_windows: bool) -> list[Point]:
        """Some points, in any order; `windows` is empty unless asked for, `words` always."""

    def ids(self, scope: Scope) -> list[str]:
        """The id of every point within a scope."""

    def count(self) -> int:
        """How many points there are."""

    def values(self, field: str) -> dict[str, int]:
        """How many points have each value of an indexed metadata field."""

    def settle(self) -> None:
        """After much was written: build the graphs that keep a search fast; may take seconds."""

    def purge(self) -> None:
        """After something was forgotten: leave nothing of what was deleted on the disk; may take seconds."""
