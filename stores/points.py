"""A turn as a point: the windows of what each side said, its words, and its payload.

Question and answer are embedded apart, so that a new question meets the old one undiluted, and the point is
as near as the nearer of the two. A role ("User") is left out of what is embedded, since to the model it would
be a topic; a name stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from stores.collection import Payload, Point
from stores.language import detect
from stores.words import weighted

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from stores.embeddings import Embedder, Progress

# How the readers mark who says what; what was done goes with the answer.
ROLES = ("User", "Assistant")
# A shorter text is delivered whole, and nobody asks where its windows are.
LONG = 1000
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
    spans = [_said(turn.document) for turn in told]
    texts = [
        turn.document.page_content[start:end]
        for turn, parts in zip(told, spans, strict=True)
        for start, end in parts
    ]
    vectors, counts = embedder.windows(texts, progress)
    ends = [0, *accumulate(counts)]
    made, done = [], 0
    for turn, parts in zip(told, spans, strict=True):
        rows = vectors[ends[done] : ends[done + len(parts)]]
        done += len(parts)
        made.append(_point(turn, rows.tolist(), _stretches(turn.document.page_content, parts, embedder)))
    return made


def _point(turn: Told, windows: list[list[float]], stretches: list[Span]) -> Point:
    text = turn.document.page_content
    language = detect(text)
    metadata = turn.document.metadata | turn.labels | {"language": language, "stretches": stretches or None}
    return Point(
        id=turn.point,
        windows=windows,
        words=weighted(text, language, turn.before, metadata.get("time")),
        # Qdrant takes a null for an absent field, so that a later label may remove it.
        payload=Payload(
            page_content=text,
            metadata={name: value for name, value in metadata.items() if value is not None},
        ),
    )


def _said(document: Document) -> list[Span]:
    """Where what each side said begins and ends."""
    text, names = document.page_content, document.metadata.get("speakers")
    label = re.compile(rf"^(?:{'|'.join(map(re.escape, names or ROLES))}): ", re.M)
    starts, ends = [0], []
    for found in label.finditer(text):
        ends.append(found.start())
        starts.append(found.start() if names else found.end())
    spans = zip(starts, [*ends, len(text)], strict=True)
    return [(start, end) for start, end in spans if text[start:end].strip()] or [(0, len(text))]


def _stretches(text: str, parts: Sequence[Span], embedder: Embedder) -> list[Span]:
    """Where the windows of a long text are in it."""
    if len(text) <= LONG:
        return []
    return [
        (part + start, part + end)
        for part, stop in parts
        for start, end in embedder.stretches(text[part:stop]) or [(0, stop - part)]
    ]
