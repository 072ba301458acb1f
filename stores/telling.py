"""What is told of the turns that were found: their best pieces, within a budget of characters.

An item is one session: what belongs together is read together, with a sign where something is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from stores.excerpt import narrowed
from stores.pieces import Piece
from stores.sides import Side, sides

if TYPE_CHECKING:
    from langchain_core.documents import Document

# Of the budget one session gets no more where others have something to tell.
SHARE_OF_A_SESSION = 0.6
# A piece that matters so much less than the best one is not told, however much room there is.
LEAST = 0.25
# Two texts that share so much of their words tell the same; fewer words than these say nothing about it.
SAME_WORDS, FEW = 0.9, 6
# A relevance is not known more exactly than this: below it the better turn comes first.
EQUAL = 3
# A piece that is longer may be cut to this where it does not fit.
CUT = 400
GAP = "[…]"
# So much of a question comes with any piece of its turn.
OPENING = 150
SIGNS = 40  # characters that labels and signs may take
WORD = re.compile(r"\w+")
Taken = tuple["Document", Piece]
Span = tuple[int, int]


class Room(NamedTuple):
    """How many characters may be told, and what each item and each of its lines cost beside their own."""

    characters: int
    item: int = 0
    line: int = 0

    def cost(self, text: str) -> int:
        """What an item of this text takes."""
        return self.item + len(text) + self.line * (text.count("\n") + 1)


def told(turns: Sequence[Document], k: int, least: float, room: Room) -> list[Document]:
    """At most k items, best first, of ranked turns: their best pieces, as many as there is room for.

    Each item has a piece whose cosine reaches `least`; what stands beside it comes along.
    """
    ranked = [(turn, piece) for turn in turns for piece in turn.metadata["pieces"]]
    ranked.sort(key=lambda one: -round(one[1].relevance, EQUAL))
    while True:
        items = _filled(ranked, k, room)
        low = {session for session, taken in items.items() if _score(taken) < least}
        if not low:
            return [_item(taken) for taken in items.values()]
        ranked = [(turn, piece) for turn, piece in ranked if _session(turn) not in low]


def _filled(ranked: Sequence[Taken], k: int, room: Room) -> dict[str, list[Taken]]:
    alone = len({_session(turn) for turn, _ in ranked}) == 1
    filling = _Filling(k, room, 1.0 if alone else SHARE_OF_A_SESSION)
    for turn, piece in ranked:
        if piece.relevance < LEAST * ranked[0][1].relevance:
            break
        filling.add(turn, piece)
    return filling.items


class _Filling:
    """Items that grow, each in its session."""

    def __init__(self, k: int, room: Room, share: float) -> None:
        self._k, self._room = k, room
        self._left, self._most = room.characters, int(share * room.characters)
        self._costs: dict[str, int] = {}
        self._words: list[set[str]] = []
        self.items: dict[str, list[Taken]] = {}

    def add(self, turn: Document, piece: Piece) -> None:
        """Take a piece in where it has room and tells something new."""
        session = _session(turn)
        before = self._costs.get(session, 0)
        left = min(self._left, self._most - before)
        if min(piece.end - piece.start, CUT) > left or (not before and len(self.items) == self._k):
            return
        words = set(WORD.findall(turn.page_content[piece.start : piece.end].lower()))
        if self._is_known(words):
            return
        for candidate in dict.fromkeys((piece, _cut(turn, piece, left))):
            taken = [*self.items.get(session, []), (turn, candidate)]
            cost = self._room.cost(_text(taken))
            if cost - before <= left:
                self.items[session], self._costs[session] = taken, cost
                self._left -= cost - before
                self._words.append(words)
                return

    def _is_known(self, words: set[str]) -> bool:
        known = self._words if len(words) >= FEW else []
        return any(len(words & one) >= SAME_WORDS * len(words | one) for one in known)


def _session(turn: Document) -> str:
    return str(turn.metadata["session_id"])


def _score(taken: Sequence[Taken]) -> float:
    return max(piece.cosine for _, piece in taken)


def _cut(turn: Document, piece: Piece, room: int) -> Piece:
    """A long piece as far as there is room, at the place that answers."""
    longest = max(room - OPENING - SIGNS, CUT)
    start, end = narrowed(turn.page_content, piece.start, piece.end, longest, turn.metadata["asked"])
    return piece._replace(start=start, end=end)


def _item(taken: Sequence[Taken]) -> Document:
    """What is told of a session, with the metadata of its best turn."""
    best, piece = taken[0]
    told = {
        "score": _score(taken),
        "relevance": piece.relevance,
        "turns": [str(turn.id) for turn in _turns(taken)],
    }
    left_out = {"pieces", "asked"}
    metadata = {name: value for name, value in best.metadata.items() if name not in left_out}
    return type(best)(_text(taken), id=best.id, metadata=metadata | told)


def _turns(taken: Iterable[Taken]) -> list[Document]:
    turns = {turn.id: turn for turn, _ in taken}
    return sorted(turns.values(), key=lambda turn: int(turn.metadata["place"]))


def _text(taken: Sequence[Taken]) -> str:
    """The pieces in the order in which they were said."""
    text, expected = "", (0, 0)
    for turn in _turns(taken):
        place, parts = int(turn.metadata["place"]), sides(turn)
        spans = [(piece.start, piece.end) for one, piece in taken if one.id == turn.id] + _opening(
            turn, parts
        )
        for number, side in enumerate(parts):
            if said := _said(turn.page_content, side, spans):
                follows = expected == (place, number)
                between = ("\n" if number else "\n\n") if follows else f"\n{GAP}\n"
                text += between + said if text else said
                expected = (place + 1, 0) if side is parts[-1] else (place, number + 1)
    return text


def _opening(turn: Document, parts: Sequence[Side]) -> list[Span]:
    """How the question begins, without which an answer says little; among people nobody asks first."""
    if turn.metadata.get("speakers") or len(parts) == 1:
        return []
    return [narrowed(turn.page_content, parts[0].said, parts[0].end, OPENING)]


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
