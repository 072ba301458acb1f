"""Plain chats in OpenAI's form as JSON lines: a message a line, or a conversation a line."""

from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from loaders.vibe.headers import tools_of
from loaders.vibe.json_lines import read_lines
from loaders.vibe.messages import FIELDS, Conversation, is_message
from loaders.vibe.salvage import Damage, Record, Shape
from loaders.vibe.sessions import Reading, Session
from loaders.vibe.times import moment

_TIMES = ("timestamp", "created_at", "created", "time")
_PROJECTS = ("cwd", "project", "working_directory")
_SESSIONS = ("session_id", "conversation_id", "id")
_HEADER = frozenset({*_TIMES, *_PROJECTS, *_SESSIONS, "model", "title"})


def is_conversation(record: Record) -> bool:
    """Whether the record holds the messages of a whole conversation."""
    messages = record.get("messages")
    return isinstance(messages, list) and any(isinstance(one, dict) and is_message(one) for one in messages)


def _fits(record: Record) -> bool:
    return is_message(record) or is_conversation(record)


def _leaves(record: Record) -> frozenset[str]:
    """The keys under which such a record cannot lie; a message can, in a conversation."""
    return FIELDS | _HEADER | {"messages"} if is_conversation(record) else FIELDS | _HEADER


CHAT = Shape(_fits, _leaves)


def read_chats(path: Path, steps: bool = False) -> Reading:
    """Every session of the file: one for each conversation, and one for the messages that stand alone."""
    sessions: list[Session] = []
    problems: list[str] = []
    alone: dict[str, tuple[Record, Conversation]] = {}  # the messages, by the session that they name
    with path.open("rb") as file:
        for piece in read_lines(file, CHAT):
            if isinstance(piece, Damage):
                problems.append(f"line {piece.place}: {piece.what}; the rest was kept")
                for _, conversation in alone.values():
                    conversation.lose(piece)
            elif is_conversation(piece.record):
                sessions.append(_conversation(piece.record, steps))
            else:
                name = str(_first(piece.record, _SESSIONS[:2]))
                _, conversation = alone.setdefault(name, (piece.record, Conversation(steps)))
                if not conversation.add(piece.record, moment(_first(piece.record, _TIMES))):
                    problems.append(f"line {piece.place}: a message whose role is unknown; the rest was kept")
    sessions += [_session(header, conversation) for header, conversation in alone.values()]
    return Reading([session for session in sessions if session.turns], problems)


def _conversation(record: Record, steps: bool) -> Session:
    conversation = Conversation(steps)
    for message in record["messages"]:
        if isinstance(message, dict):
            conversation.add(message, moment(_first(message, _TIMES)))
    session = _session(record, conversation)
    session.tools = tools_of({"tools_available": record.get("tools")}) if steps else []
    return session


def _session(header: Record, conversation: Conversation) -> Session:
    project = _first(header, _PROJECTS)
    identity = _first(header, _SESSIONS)
    if not isinstance(identity, (str, int)) or isinstance(identity, bool):
        identity = uuid5(NAMESPACE_URL, f"chat:{project or ''}\0{conversation.opening or ''}")
    session = Session(str(identity), "jsonl", turns=conversation.turns)
    session.project = project if isinstance(project, str) else None
    session.started = moment(_first(header, _TIMES))
    model = header.get("model")
    session.model = model if isinstance(model, str) else None
    title = header.get("title")
    session.title = title if isinstance(title, str) and title.strip() else None
    return session


def _first(record: Record, names: tuple[str, ...]) -> Any:
    return next((record[name] for name in names if record.get(name) not in (None, "")), None)
