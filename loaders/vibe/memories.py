"""A turn as something to remember: what is said of it, without secrets, and what makes it the same turn."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loaders.vibe.actions import Redact, line
from loaders.vibe.times import stamp

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from loaders.vibe.sessions import Session
    from loaders.vibe.turns import Turn

_MOST = 32_000  # characters of a question or an answer; the middle of a longer one is left out
_MOST_QUESTION = 500
_MOST_TITLE = 50  # as Vibe cuts its own
_LEFT_OUT = " […] "


@dataclass(frozen=True)
class Memory:
    """A complete turn without secrets; `alike` is the same for a session migrated to another format."""

    identity: str
    alike: str
    format: str
    content: str
    metadata: dict[str, Any]

    def document(self) -> "Document":
        """The LangChain document."""
        from langchain_core.documents import Document

        return Document(self.content, metadata=self.metadata)


def composed(session: "Session", turns: "Iterable[tuple[int, Turn]]", redact: Redact) -> Iterator[Memory]:
    """The memories of one session's turns; a turn comes with its number."""
    title = _title(session, redact)
    seen: Counter[str] = Counter()
    for number, turn in turns:
        user, in_user = redact(turn.user.strip())
        answer, in_answer = redact((turn.answer or "").strip())
        actions, in_actions = line(turn.actions, redact, session.project)
        identity = _identity(session, turn.key, (user, answer), seen)
        alike = _digest(session.id, user, answer)
        said = [f"User: {_capped(user)}", f"Assistant: {_capped(answer)}"]
        metadata = {
            "identity": identity,
            "alike": alike,
            "session_id": session.id,
            "turn": turn.key or str(number),
            "place": number,
            "agent": "openai" if session.format == "jsonl" else "vibe",
            "project": session.project,
            "branch": session.branch,
            "time": stamp(turn.time or session.started),
            "started": stamp(session.started),
            "title": title,
            "model": session.model,
            "format": session.format,
            "redacted": in_user + in_answer + in_actions,
            "question": user[:_MOST_QUESTION],
            "complete": True,
        }
        content = "\n".join([*said, f"Actions: {actions}"] if actions else said)
        yield Memory(identity, alike, session.format, content, metadata)


def _title(session: "Session", redact: Redact) -> str | None:
    """The session's title; where it is the question's beginning, a secret must not be cut in two."""
    if not session.title:
        return None
    begun = " ".join(session.title.rstrip("….").split())
    asked = " ".join(session.turns[0].user.split()) if session.turns else ""
    if not asked.startswith(begun):
        return redact(session.title)[0]
    whole = redact(asked)[0]
    return whole if len(whole) <= _MOST_TITLE else f"{whole[:_MOST_TITLE].rstrip()}…"


def _identity(session: "Session", key: str | None, said: tuple[str, str], seen: Counter[str]) -> str:
    """What this turn is, wherever its log lies and however often it was copied."""
    if key and session.format == "3.x":
        return "\0".join(["3.x", session.id, key])
    if key:
        return "\0".join(["2.x", key])
    # A resumed copy repeats the history in its order, so the n-th of equal turns is the n-th in each copy.
    digest = _digest(session.project, *said)
    seen[digest] += 1
    return "\0".join(["jsonl" if session.format == "jsonl" else "1.x", digest, str(seen[digest])])


def _digest(*parts: str | None) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _capped(text: str) -> str:
    if len(text) <= _MOST:
        return text
    half = (_MOST - len(_LEFT_OUT)) // 2
    return text[:half] + _LEFT_OUT + text[-half:]
