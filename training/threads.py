"""Sessions as threads of turns: resumed and compacted copies folded, so that no turn comes twice.

A session is a path of turns. One that repeats another and goes on lengthens its thread; one that goes on from
the middle of another branches off. What was forgotten is left out under every name that it has.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from loaders.vibe.actions import Redact
from loaders.vibe.sessions import Session, Turn, joined
from loaders.vibe.turns import Lost
from training.logs import Forgotten, Told, age, nothing, tellings

FORGOTTEN, NOT_LISTED = "forgotten", "not on the list"

_FORMATS = ("jsonl", "1.x", "2.x", "3.x")  # a session migrated to a later one is best told there
_EXIT = re.compile(r"exit (?!0$)")
_UNFINISHED = ("cancelled", "not finished")


@dataclass(frozen=True)
class Choice:
    """What may become rows: nothing that was forgotten, and only sessions on the list, where there is one."""

    forgotten: Forgotten = nothing
    allowed: frozenset[str] | None = None
    passed_over: tuple[Path, ...] = ()
    """Folders among the logs that hold none."""


@dataclass
class Thread:
    """Turns of one conversation in their order, and every session that tells one of them, the oldest first.

    `root` is where the conversation began: threads that branch off it have the same.
    """

    root: str
    turns: list[Told] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of all turns, as the memory has them


def threads(
    family: Iterable[Session], choice: Choice, redact: Redact, left_out: Counter[str]
) -> list[Thread]:
    """The threads of sessions that may repeat each other; `left_out` counts the turns that are in none."""
    gone: list[Session] = []
    kept: list[Session] = []
    for session in sorted(family, key=age):
        if choice.forgotten((), (session.id,), session.project):
            gone.append(session)
        elif choice.allowed is None or session.id in choice.allowed:
            kept.append(session)
        else:
            left_out[NOT_LISTED] += len(session.turns)
    # Joined apart: what only a forgotten session answered stays without an answer.
    lost = _Folding(tellings(joined(gone), redact)[0])
    told, reasons = tellings(joined(kept), redact)
    folded = _Folding(told)
    left_out.update(reasons)
    left_out[FORGOTTEN] += sum(folded.numbers.keys().isdisjoint(names) for names in lost.names)
    faults = {
        number: _fault(folded, number, choice, lost.numbers.keys()) for number in range(len(folded.best))
    }
    left_out.update(fault for fault in faults.values() if fault)
    return folded.threads({number for number, fault in faults.items() if not fault})


def why_not(turn: Turn) -> str | None:
    """Why a turn that is worth remembering is nothing to learn from; None where it is."""
    if turn.flaw:
        return turn.flaw
    if any(isinstance(step, Lost) for step in turn.steps or ()):
        return "damaged"
    states = [action.status for action in turn.actions]
    if any(state in _UNFINISHED for state in states):
        return "interrupted"
    # Where no tool had any success, an answer may claim it all the same.
    if states and all(state == "failed" or _EXIT.match(state) for state in states):
        return "failed"
    return None


def _fault(folded: _Folding, number: int, choice: Choice, forgotten: Set[str]) -> str | None:
    names, best = folded.names[number], folded.best[number]
    if not forgotten.isdisjoint(names):
        return FORGOTTEN
    if choice.forgotten(names, folded.sessions[number], best.session.project):
        return FORGOTTEN
    return why_not(best.turn)


class _Folding:
    """Sessions, the oldest first, as paths of numbers: each turn has one, whoever tells it."""

    def __init__(self, told: Sequence[tuple[Session, Sequence[Told]]]) -> None:
        self.numbers: dict[str, int] = {}  # by name
        self.best: list[Told] = []
        self.names: list[set[str]] = []
        self.sessions: list[list[str]] = []
        self._strands: list[tuple[str, list[int]]] = []  # the root, and the turns
        self._home: dict[int, int] = {}  # the strand of each turn
        # By session, and by the summary that stands for it: the strand that it ends on, and its last turn.
        self._ends: dict[str | None, tuple[int, int]] = {}
        for session, ones in told:
            self._follow(session, [self._number(one) for one in ones])

    def threads(self, wanted: Collection[int]) -> list[Thread]:
        """The strands with those turns only, where any are left of them."""
        threads = []
        for root, numbers in self._strands:
            kept = [number for number in numbers if number in wanted]
            sessions = list(dict.fromkeys(name for number in kept for name in self.sessions[number]))
            names = [name for number in kept for name in sorted(self.names[number])]
            if kept:
                threads.append(Thread(root, [self.best[number] for number in kept], sessions, names))
        return threads

    def _number(self, one: Told) -> int:
        """The number of the turn that is told; its best telling is kept: unharmed, in the latest format."""
        known = [self.numbers[name] for name in one.names if name in self.numbers]
        number = known[0] if known else len(self.best)
        if not known:
            self.best.append(one)
            self.names.append(set())
            self.sessions.append([])
        elif _worth(one) > _worth(self.best[number]):
            self.best[number] = one
        self.names[number].update(one.names)
        self.numbers |= {name: number for name in one.names if name not in self.numbers}
        self._told_in(number, one.session)
        return number

    def _told_in(self, number: int, session: Session) -> None:
        if session.id not in self.sessions[number]:
            self.sessions[number].append(session.id)

    def _follow(self, session: Session, numbers: Sequence[int]) -> None:
        end = self._begin(session)
        if end and session.lead:  # it told the end of that turn
            self._told_in(end[1], session)
        for number in dict.fromkeys(numbers):
            if number not in self._home:
                self._home[number] = self._strand(session, end)
                self._strands[self._home[number]][1].append(number)
            end = (self._home[number], number)
        if end:
            self._ends[session.id] = end

    def _begin(self, session: Session) -> tuple[int, int] | None:
        """Where a compacted session goes on from; copies of it name no parent, but have its summary."""
        if session.wrapper is None:
            return None
        names = (session.parent, (session.parent or "")[:8], session.wrapper)
        end = next((self._ends[name] for name in names if name in self._ends), None)
        if end:
            self._ends[session.wrapper] = end
        return end

    def _strand(self, session: Session, end: tuple[int, int] | None) -> int:
        """The strand for what comes after that end: its own, unless others went on from there already."""
        if end and self._strands[end[0]][1][-1] == end[1]:
            return end[0]
        self._strands.append((self._strands[end[0]][0] if end else session.id, []))
        return len(self._strands) - 1


def _worth(one: Told) -> tuple[bool, int]:
    return why_not(one.turn) is None, _FORMATS.index(one.session.format)
