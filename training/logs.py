"""Logs in families that may repeat each other, and what in them is worth telling.

What is worth telling, and under which names the memory knows it, is decided as for the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from loaders.vibe.actions import Redact
from loaders.vibe.logs import Log, read_log
from loaders.vibe.memories import composed
from loaders.vibe.sessions import Session, Turn, not_told, worth

Say = Callable[[str, int, int], None]
# Whether a turn was forgotten: asked with its names, the sessions that tell it, and its project.
Forgotten = Callable[[Iterable[str], Iterable[str], str | None], bool]

_NEVER = datetime.max.replace(tzinfo=UTC)


def silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def nothing(names: Iterable[str], sessions: Iterable[str], project: str | None) -> bool:
    """Nobody had anything forgotten."""
    return False


@dataclass(frozen=True)
class Told:
    """One telling of a turn, and the names under which the memory knows it."""

    session: Session
    turn: Turn
    names: tuple[str, str]


def families(logs: Sequence[Log], say: Say) -> tuple[list[list[Log]], list[dict[str, str]]]:
    """The logs in groups that have a session or a turn in common, oldest first, and what could not be read.

    Nothing else is kept of them. A family is read again when it is its turn, so that one at a time is held.
    """
    leader = list(range(len(logs)))
    first: dict[object, int] = {}  # the log that a name was met in first
    ages: list[tuple[datetime, str]] = []
    problems = []
    for number, log in enumerate(logs):
        say("reading logs", number, len(logs))
        reading = read_log(log)
        problems += [{"file": log.name, "reason": problem} for problem in reading.problems]
        ages.append(min(map(age, reading.sessions), default=(_NEVER, log.name)))
        for session in reading.sessions:
            for name in _names(session):
                leader[_led(leader, number)] = _led(leader, first.setdefault(name, number))
    groups: dict[int, list[int]] = {}
    for number in range(len(logs)):
        groups.setdefault(_led(leader, number), []).append(number)
    order = sorted(groups.values(), key=lambda group: min(ages[number] for number in group))
    return [[logs[number] for number in group] for group in order], problems


def tellings(
    sessions: Sequence[Session], redact: Redact
) -> tuple[list[tuple[Session, list[Told]]], list[str]]:
    """Each session with what is worth telling; and why not, for each turn that no session tells whole."""
    found: list[tuple[Session, list[Told]]] = []
    whole: set[object] = set()
    reasons: dict[object, str] = {}
    for session in sessions:
        turns = worth(session, whole, reasons)
        pairs = zip(turns, composed(session, turns, redact), strict=True)
        told = [Told(session, turn, (one.identity, one.alike)) for (_, turn), one in pairs]
        found.append((session, told))
    return found, [reason for which, reason in reasons.items() if which not in whole]


def age(session: Session) -> tuple[datetime, str]:
    """What orders sessions: when they began, those that do not say it last."""
    return session.started or _NEVER, session.id


def _names(session: Session) -> Iterator[object]:
    """What another log may have in common with this session."""
    for name in (session.id, session.parent, session.wrapper):
        if name:
            yield name
            # Without its meta.json a session of 2.x knows only the first 8 characters of its id.
            yield name[:8] if session.format == "2.x" and name != session.wrapper else name
    for turn in session.turns:
        if not not_told(session, turn):
            yield turn.key or hash((session.project, turn.user, turn.answer))


def _led(leader: list[int], number: int) -> int:
    while leader[number] != number:
        leader[number] = leader[leader[number]]
        number = leader[number]
    return number
