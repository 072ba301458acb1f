"""A turn as a point: the windows of what each side said, its words, and its payload.

Question and answer are embedded apart, so that a new question meets the old one undiluted, and the point is
as near as the nearer of the two. A role ("User") is left out of what is embedded, since to the model it would
be a topic; a name stays. Each window is a piece that recall may deliver alone: where it stands and its words
are kept, so that no text is cut or stemmed while somebody waits for an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stores.collection import Payload, Point
from stores.language import detect
from stores.sides import Side, sides
from stores.words import packed, weighted

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from stores.embeddings import Embedder, Progress

Span = tuple[int, int]


@dataclass(frozen=True)
class Told:
    """A turn to be stored: its document, its point's id, what is said around it, and the text before it."""

    document: Document
    point: str
    labels: dict[str, Any]
    before: str


def points(told: Sequence[Told], embedder: Embedder, progress: Progress) -> list[Point]:
    """The points of some turns; embedding is all of the cost."""
    said = [sides(turn.document) for turn in told]
    texts = [
        turn.document.page_content[_words(turn.document, side) : side.end]
        for turn, parts in zip(told, said, strict=True)
        for side in parts
    ]
    vectors, counts = embedder.windows(texts, progress)
    rows, counted = iter(vectors.tolist()), iter(counts)
    made = []
    for turn, parts in zip(told, said, strict=True):
        pieces = [piece for side in parts for piece in _pieces(turn.document, side, next(counted), embedder)]
        made.append(_point(turn, [next(rows) for _ in pieces], pieces))
    return made


def _point(turn: Told, windows: list[list[float]], pieces: list[Span]) -> Point:
    text = turn.document.page_content
    language, time = detect(text), turn.document.metadata.get("time")
    kept = [[start, end, packed(text[start:end], language)] for start, end in pieces]
    metadata = turn.document.metadata | turn.labels | {"language": language, "pieces": kept}
    return Point(
        id=turn.point,
        windows=windows,
        words=weighted(text, language, turn.before, time),
        # Qdrant takes a null for an absent field, so that a later label may remove it.
        payload=Payload(
            page_content=text,
            metadata={name: value for name, value in metadata.items() if value is not None},
        ),
    )


def _words(document: Document, side: Side) -> int:
    """Where what is embedded of a side begins."""
    return side.start if document.metadata.get("speakers") else side.said


def _pieces(document: Document, side: Side, count: int, embedder: Embedder) -> list[Span]:
    """Where the windows of a side are in the text."""
    first = _words(document, side)
    if count == 1:
        return [(first, side.end)]
    found = embedder.stretches(document.page_content[first : side.end])
    return [(first + start, first + end) for start, end in found]
