"""Who says what in a turn: where each side begins, with its label, and where it ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from langchain_core.documents import Document

# How the readers mark who says what; what was done goes with the answer.
ROLES = ("User", "Assistant")


class Side(NamedTuple):
    """What one side said: where its label begins, where its words begin and where they end."""

    start: int
    said: int
    end: int


def sides(turn: Document) -> list[Side]:
    """The sides of a turn, in their order; a text without labels is one."""
    text = turn.page_content
    names = turn.metadata.get("speakers") or ROLES
    label = re.compile(rf"^(?:{'|'.join(map(re.escape, names))}): ", re.M)
    found = [(0, 0), *(one.span() for one in label.finditer(text))]
    ends = [*(start for start, _ in found[1:]), len(text)]
    made = [Side(start, said, end) for (start, said), end in zip(found, ends, strict=True)]
    return [side for side in made if text[side.said : side.end].strip()] or [Side(0, 0, len(text))]
