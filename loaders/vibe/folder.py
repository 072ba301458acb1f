"""Sessions of Vibe 2.x: a folder with a message a line in messages.jsonl, and meta.json beside it."""

import json
import re
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from loaders.vibe.headers import describe, salvaged_header, tools_of
from loaders.vibe.json_lines import read_lines
from loaders.vibe.messages import MESSAGE, SUBAGENT, Conversation
from loaders.vibe.salvage import Damage, Record
from loaders.vibe.sessions import Reading, Session

_SHORT_ID = re.compile(r"_([0-9a-f]{8})$")


def read_folder(folder: Path, steps: bool = False) -> Reading:
    """The one session of the folder; without its meta.json the turns are there, but not where they were."""
    conversation = Conversation(steps)
    problems = _read_messages(folder / "messages.jsonl", conversation)
    header, problem = read_header(folder / "meta.json")
    if problem:
        problems.append(problem)
    session = Session(_id(folder, header, conversation), "2.x")
    describe(session, header, conversation.wrapper)
    parent = header.get("parent_session_id")
    session.parent = parent if isinstance(parent, str) and parent else None
    session.turns, session.lead = conversation.turns, conversation.lead
    session.wrapper = conversation.wrapper
    session.tools = tools_of(header) if steps else []
    session.subagent = (conversation.opening or "").startswith(SUBAGENT)
    return Reading([session], problems)


def read_header(path: Path) -> tuple[Record, str | None]:
    """What meta.json says, and what was wrong with it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}, "meta.json is missing, so the project is not known"
    except OSError as error:
        return {}, f"meta.json cannot be read: {error.strerror}"
    try:
        header = json.loads(data)
        if isinstance(header, dict):
            return header, None
    except (ValueError, RecursionError):
        pass
    found = salvaged_header(data.decode("utf-8", "surrogateescape"))
    return found, "meta.json is damaged; what could be read of it was kept"


def _read_messages(path: Path, conversation: Conversation) -> list[str]:
    problems = []
    with path.open("rb") as file:
        for piece in read_lines(file, MESSAGE):
            if isinstance(piece, Damage):
                conversation.lose(piece)
                problems.append(f"line {piece.place}: {piece.what}; the rest was kept")
            elif not conversation.add(piece.record):
                problems.append(f"line {piece.place}: a message whose role is unknown; the rest was kept")
    return problems


def _id(folder: Path, header: Record, conversation: Conversation) -> str:
    identity = header.get("session_id")
    if isinstance(identity, str) and identity:
        return identity
    if match := _SHORT_ID.search(folder.name):
        return match[1]
    keys = [turn.key for turn in conversation.turns if turn.key]
    return keys[0] if keys else str(uuid5(NAMESPACE_URL, f"vibe:{conversation.opening or ''}"))
