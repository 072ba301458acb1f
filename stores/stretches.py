"""Pieces of a session's turns as somebody reads them: in their order, each side behind its label.

A sign stands where something is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from stores.excerpt import narrowed
from stores.sides import Side, sides
from stores.weighing import Piece

if TYPE_CHECKING:
    from langchain_core.documents import Document

GAP = "[…]"
# A piece that is longer may be cut to this where it does not fit.
CUT = 400
# So much of a question comes with any piece of its turn.
OPENING = 150
SIGNS = 40  # characters that labels and signs may take
Span = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Turn:
    """A turn that may be told; what takes time is found out where it is."""

    document: Document

    @property
    def text(self) -> str:
        """All of it, of which pieces are told."""
        return self.document.page_content

    @property
    def session(self) -> str:
        """Whose item it belongs to."""
        return str(self.document.metadata["session_id"])

    @property
    def place(self) -> int:
        """Its number in the session, by which turns are put in order."""
        return int(self.document.metadata["place"])

    @cached_property
    def sides(self) -> list[Side]:
        """Who says what in it."""
        return sides(self.document)

    @cached_property
    def opening(self) -> list[Span]:
        """How the question begins, without which an answer says little; among people nobody asks first."""
        if self.document.metadata.get("speakers") or len(self.sides) == 1:
            return []
        return [narrowed(self.text, self.sides[0].said, self.sides[0].end, OPENING)]


Taken = tuple[Turn, Piece]


def cut(turn: Turn, piece: Piece, room: int) -> Piece:
    """A long piece as far as there is room, at the place that answers."""
    longest = max(room - OPENING - SIGNS, CUT)
    start, end = narrowed(turn.text, piece.start, piece.end, longest, turn.document.metadata["asked"])
    return piece._replace(start=start, end=end)


def in_order(taken: Iterable[Taken]) -> list[Turn]:
    """The turns that are told, as they came."""
    turns = dict.fromkeys(turn for turn, _ in taken)
    return sorted(turns, key=lambda turn: turn.place)


def worded(taken: Sequence[Taken]) -> str:
    """The pieces in the order in which they were said."""
    text, expected = "", (0, 0)
    for turn in in_order(taken):
        spans = [*turn.opening, *((piece.start, piece.end) for one, piece in taken if one is turn)]
        for number, side in enumerate(turn.sides):
            if said := _said(turn.text, side, spans):
                follows = expected == (turn.place, number)
                between = ("\n" if number else "\n\n") if follows else f"\n{GAP}\n"
                text += between + said if text else said
                expected = (turn.place + 1, 0) if side is turn.sides[-1] else (turn.place, number + 1)
    return text


def _said(text: str, side: Side, spans: Sequence[Span]) -> str:
    """What is told of a side, behind its label; nothing where nothing is."""
    joined: list[list[int]] = []
    for start, end in sorted(span for span in spans if side.start <= span[0] < side.end):
        if joined and not text[joined[-1][1] : start].strip():
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([max(start, side.said), end])
    if not joined:
        return ""
    before = f"{GAP} " if text[side.said : joined[0][0]].strip() else ""
    after = f" {GAP}" if text[joined[-1][1] : side.end].strip() else ""
    said = f" {GAP} ".join(text[start:end].strip("\n") for start, end in joined)
    return text[side.start : side.said] + before + said + after
