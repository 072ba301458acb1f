"""What is told of the turns that were found: their best pieces, within a budget of characters.

An item is one session: what belongs together is read together, with a sign where something is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from stores.stretches import CUT, Taken, Turn, cut, in_order, worded
from stores.weighing import Piece

if TYPE_CHECKING:
    from langchain_core.documents import Document

# Of the budget one session gets no more where others have something to tell.
SHARE_OF_A_SESSION = 0.7
# A piece that matters so much less than the best one is not told, however much room there is.
LEAST = 0.25
# Two texts that share so much of their words tell the same; fewer words than these say nothing about it.
SAME_WORDS, FEW = 0.9, 6
# A relevance is not known more exactly than this: below it the better turn comes first.
EQUAL = 3
WORD = re.compile(r"\w+")


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
    ranked = [(turn, piece) for turn in map(Turn, turns) for piece in turn.document.metadata["pieces"]]
    near = {turn.session for turn, piece in ranked if piece.cosine >= least}
    ranked = [(turn, piece) for turn, piece in ranked if turn.session in near]
    ranked.sort(key=lambda one: -round(one[1].relevance, EQUAL))
    while True:
        items = _filled(ranked, k, room)
        low = {session for session, taken in items.items() if _score(taken) < least}
        if not low:
            return [_item(taken) for taken in items.values()]
        ranked = [(turn, piece) for turn, piece in ranked if turn.session not in low]


def _filled(ranked: Sequence[Taken], k: int, room: Room) -> dict[str, list[Taken]]:
    alone = len({turn.session for turn, _ in ranked}) == 1
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

    def add(self, turn: Turn, piece: Piece) -> None:
        """Take a piece in where it has room and tells something new."""
        session = turn.session
        before = self._costs.get(session, 0)
        left = min(self._left, self._most - before)
        if min(piece.end - piece.start, CUT) > left or (not before and len(self.items) == self._k):
            return
        words = set(WORD.findall(turn.text[piece.start : piece.end].lower()))
        if self._is_known(words):
            return
        for candidate in dict.fromkeys((piece, cut(turn, piece, left))):
            taken = [*self.items.get(session, []), (turn, candidate)]
            cost = self._room.cost(worded(taken))
            if cost - before <= left:
                self.items[session], self._costs[session] = taken, cost
                self._left -= cost - before
                self._words.append(words)
                return

    def _is_known(self, words: set[str]) -> bool:
        size = len(words)
        known = [one for one in self._words if size >= max(FEW, SAME_WORDS * len(one))]
        return any(len(words & one) >= SAME_WORDS * len(words | one) for one in known)


def _score(taken: Sequence[Taken]) -> float:
    return max(piece.cosine for _, piece in taken)


def _item(taken: Sequence[Taken]) -> Document:
    """What is told of a session, with the metadata of its best turn."""
    best, piece = taken[0][0].document, taken[0][1]
    told = {
        "score": _score(taken),
        "relevance": piece.relevance,
        "turns": [str(turn.document.id) for turn in in_order(taken)],
    }
    left_out = {"pieces", "asked"}
    metadata = {name: value for name, value in best.metadata.items() if name not in left_out}
    return type(best)(worded(taken), id=best.id, metadata=metadata | told)
