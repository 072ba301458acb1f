"""How much each piece of a turn has to do with a question, so that recall can deliver pieces of turns.

A piece is a window of what one side said. What answers a question often stands beside what resembles it, so a
piece also counts for what stands around it in its session, and for what its whole turn counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stores.ranking import relevance
from stores.words import counted, dated, saturated

if TYPE_CHECKING:
    from langchain_core.documents import Document

# Shares of the pieces one away and two away (where two take turns: of the same side), and of the whole turn.
NEAR, TURN = (0.4, 0.2), 0.5
MOST = 1 + 2 * sum(NEAR) + TURN
EXACT = 4
Array = np.ndarray[Any, np.dtype[Any]]


class Piece(NamedTuple):
    """Where a piece stands in its turn, how near it is to the question, and how relevant it is (0..1)."""

    start: int
    end: int
    cosine: float
    relevance: float


def weigh(
    turns: Sequence[Document],
    cosines: Sequence[Sequence[float]],
    asked: Sequence[Sequence[int]],
    language: str,
) -> None:
    """Weigh the `pieces` of turns of known `relevance`; `cover` is the share of the question in the best one.

    `cosines` are those of each turn's windows; `asked` is each word of the question in its forms. A rare word
    is a greater share than a frequent one.
    """
    order = sorted(range(len(turns)), key=lambda row: _place(turns[row]))
    turns = [turns[row] for row in order]
    lengths = [len(turn.metadata["pieces"]) for turn in turns]
    owner = np.repeat(np.arange(len(turns)), lengths)
    told = [(terms, _day(turn)) for turn in turns for *_, terms in turn.metadata["pieces"]]
    dense = np.array([cosine for row in order for cosine in cosines[row]], np.float32)
    lexical, cover = _lexical(told, asked)
    own = relevance(dense, lexical, language)
    whole = own + TURN * np.array([turn.metadata["relevance"] for turn in turns])[owner]
    whole = (whole + _beside(own, turns, owner)) / MOST
    near, scores, shares = (np.round(of.astype(float), EXACT).tolist() for of in (dense, whole, cover))
    for turn, after in zip(turns, accumulate(lengths), strict=True):
        rows = range(after - len(turn.metadata["pieces"]), after)
        turn.metadata["cover"] = shares[max(rows, key=whole.__getitem__)]
        turn.metadata["pieces"] = [
            Piece(start, end, near[row], scores[row])
            for row, (start, end, _) in zip(rows, turn.metadata["pieces"], strict=True)
        ]


def _place(turn: Document) -> tuple[str, int]:
    return turn.metadata["session_id"], turn.metadata["place"]


def _beside(own: Array, turns: Sequence[Document], owner: Array) -> Array:
    """What the pieces around each add to it; none of another session does, nor beyond a missing turn."""
    names = [turn.metadata["session_id"] for turn in turns]
    session = np.unique(names, return_inverse=True)[1][owner]
    place = np.array([turn.metadata["place"] for turn in turns])[owner]
    more = np.zeros_like(own)
    for distance, share in enumerate(NEAR, start=1):
        one, other = slice(None, -distance), slice(distance, None)
        joined = (session[one] == session[other]) & (place[other] - place[one] == owner[other] - owner[one])
        more[one] += share * own[other] * joined
        more[other] += share * own[one] * joined
    return more


def _day(turn: Document) -> bytes:
    time = turn.metadata.get("time")
    return dated(time and time[: len("2026-11-27")], turn.metadata["language"])


def _lexical(pieces: Sequence[tuple[str, bytes]], asked: Sequence[Sequence[int]]) -> tuple[Array, Array]:
    """The BM25 score of each piece, and the share of the question's IDF that it holds."""
    forms = list(dict.fromkeys(form for word in asked for form in word))
    counts, lengths = counted(pieces, forms)
    scores = saturated(counts, lengths) @ _idf(counts > 0)
    columns = [[forms.index(form) for form in word] for word in asked]
    holds = np.array([(counts[:, column] > 0).any(axis=1) for column in columns])
    holds = holds.reshape(len(asked), len(pieces)).T
    rare = _idf(holds)
    return scores, holds @ rare / max(rare.sum(), 1e-9)


def _idf(holds: Array) -> Array:
    """The IDF of each column by the rows that hold it."""
    having = holds.sum(axis=0)
    rare: Array = np.log1p((len(holds) - having + 0.5) / (having + 0.5))
    return rare
