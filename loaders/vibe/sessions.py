"""A session of a coding agent as this program knows it, whichever format it was logged in."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loaders.vibe.actions import Action, Redact
from loaders.vibe.greetings import is_greeting
from loaders.vibe.memories import Memory, composed
from loaders.vibe.messages import last_quoted
from loaders.vibe.salvage import Record
from loaders.vibe.turns import Step, Turn

if TYPE_CHECKING:
    from langchain_core.documents import Document

__all__ = ["Action", "Reading", "Session", "Turn", "documents", "joined", "not_told"]

_COMPARED = 60  # characters: a long question may be quoted shortened
_AGE = {"1.x": 1, "2.x": 2, "3.x": 3}


@dataclass
class Session:
    """The turns of one session; `lead` is what precedes the first user message and belongs to the parent."""

    id: str
    format: str
    parent: str | None = None
    project: str | None = None
    branch: str | None = None
    started: datetime | None = None
    title: str | None = None
    model: str | None = None
    subagent: bool = False
    turns: list[Turn] = field(default_factory=list)
    lead: list[Step] = field(default_factory=list)
    wrapper: str | None = None  # what stands before the lead for the parent's history
    tools: list[Record] = field(default_factory=list)  # that the model was offered; kept with the steps


@dataclass(frozen=True)
class Reading:
    """The sessions of one log, and a sentence for each place that could not be read."""

    sessions: list[Session]
    problems: list[str]


def joined(sessions: Sequence[Session]) -> list[Session]:
    """The same sessions, with each turn that was compacted half-way continued from the sessions after it."""
    children: dict[str, list[Session]] = {}
    for session in sorted(sessions, key=_age):
        if session.parent and session.wrapper is not None:
            children.setdefault(session.parent, []).append(session)
    for session in sessions:
        if session.turns and session.format == "2.x":
            _continue(session.turns[-1], session, children)
    return list(sessions)


def _continue(turn: Turn, session: Session, children: dict[str, list[Session]]) -> None:
    known = {session.id}
    while turn.waiting:
        # Without its meta.json a session knows only the first 8 characters of its id.
        parents = [parent for parent in children if parent == session.id or parent[:8] == session.id]
        later = [child for parent in parents for child in children[parent] if _continues(child, turn, known)]
        if not later:
            return
        session = later[0]
        known.add(session.id)
        for step in session.lead:
            turn.follow(step)
        if session.turns:
            return  # the next question has come; what is later belongs to that one


def _continues(child: Session, turn: Turn, known: set[str]) -> bool:
    """Whether the child's summary ends with this turn's question: a file cut short may hide later ones."""
    quoted = last_quoted(child.wrapper or "")
    return child.id not in known and (quoted is None or _start(quoted) == _start(turn.user))


def _start(text: str) -> str:
    return " ".join(text.split())[:_COMPARED]


def worth(session: Session, told: set[object], reasons: dict[object, str]) -> list[tuple[int, Turn]]:
    """The turns worth telling, with their numbers; `told` gains them, `reasons` why each other one is not."""
    found = []
    for number, turn in enumerate(session.turns, 1):
        which = turn.key or (session.project, turn.user)
        if reason := not_told(session, turn):
            reasons[which] = reason
        else:
            told.add(which)
            found.append((number, turn))
    return found


def documents(sessions: Sequence[Session], redact: Redact) -> "tuple[list[Document], Counter[str]]":
    """One document for each complete turn, oldest session first, and what was left out for which reason.

    A turn that several sessions repeat comes once: from the first that holds it whole.
    """
    memories: dict[str, Memory] = {}
    newest: dict[str, int] = {}
    reasons: dict[object, str] = {}
    told: set[object] = set()
    for session in sorted(sessions, key=_age):
        for memory in composed(session, worth(session, told, reasons), redact):
            memories.setdefault(memory.identity, memory)
            newest[memory.alike] = max(newest.get(memory.alike, 0), _AGE.get(memory.format, 0))
    kept = [memory for memory in memories.values() if _AGE.get(memory.format, 0) == newest[memory.alike]]
    left_out = Counter(reason for which, reason in reasons.items() if which not in told)
    return [memory.document() for memory in kept], left_out


def not_told(session: Session, turn: Turn) -> str | None:
    """Why a turn is nothing to remember; None where it is."""
    if session.subagent:
        return "subagent"
    if turn.answer is None:
        return "incomplete"
    if not turn.user.strip():
        return "empty"  # an image alone, say
    if not turn.actions and is_greeting(turn.user):
        return "greeting"
    return None


def _age(session: Session) -> datetime:
    return session.started or datetime.max.replace(tzinfo=UTC)
