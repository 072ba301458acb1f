"""When two tellings are the same turn, and what is kept of both.

A resumed session repeats the turns of the one before it under another session id. Whatever order the logs
are read in, the outcome is the same: the turn belongs to all of these sessions, is dated by the earliest, and
keeps the longest text.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from stores.ledger import Turn

if TYPE_CHECKING:
    from langchain_core.documents import Document

NAMESPACE = uuid5(NAMESPACE_URL, "recuerdo:turn")
ID_VERSION = "v1"
# What a log says around a turn: it may change while the text stays.
LABELS = ("alike", "branch", "model", "place", "project", "session_id", "started", "time", "title", "turn")


def turn_of(document: Document) -> Turn:
    """What the ledger notes of a document; the point's id comes from identity and content alone."""
    told = document.metadata
    content = hashlib.sha256(document.page_content.encode("utf-8", "replace")).hexdigest()
    name = "\0".join([ID_VERSION, told["agent"], told["identity"], content])
    return Turn(
        identity=told["identity"],
        alike=told["alike"],
        point=str(uuid5(NAMESPACE, name)),
        length=len(document.page_content),
        redacted=told["redacted"],
        sessions=[told["session_id"]],
        labels={name: told[name] for name in LABELS},
    )


def merged(one: Turn, other: Turn) -> Turn:
    """Both tellings of a turn as one; the order of the two does not matter."""
    longest = max(one, other, key=lambda turn: (turn.length, turn.point))
    first = min(one, other, key=lambda turn: (turn.labels["started"] or "~", turn.labels["session_id"]))
    sessions = sorted({*one.sessions, *other.sessions})
    return replace(longest, alike=first.alike, sessions=sessions, labels=first.labels)


def labels(turn: Turn) -> dict[str, Any]:
    """The metadata of a point that may change while its text stays."""
    return turn.labels | {"sessions": turn.sessions}
