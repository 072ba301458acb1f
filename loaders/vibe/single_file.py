"""Sessions of Vibe 1.x: one JSON file with metadata and messages, whole, cut off or damaged inside."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from loaders.vibe.headers import describe, salvaged_header, tools_of
from loaders.vibe.json_array import elements
from loaders.vibe.messages import MESSAGE, SUBAGENT, Conversation
from loaders.vibe.salvage import Damage, Found, Record, decoded
from loaders.vibe.sessions import Reading, Session

_METADATA = re.compile(r'"metadata"\s*:\s*(?=\{)')
_MESSAGES = re.compile(r'"messages"\s*:\s*\[(?=\s*\{\s*"role"\s*:)')
_FIRST_MESSAGE = re.compile(r'(?=\s*\{\s*"role"\s*:)')


def read_file(path: Path, steps: bool = False) -> Reading:
    """The one session of the file, as far as it can be read."""
    data = path.read_bytes()
    try:
        whole = json.loads(data.decode("utf-8-sig"))
        if isinstance(whole, dict) and isinstance(whole.get("messages"), list):
            found = [Found(0, message) for message in whole["messages"]]
            return _reading(whole.get("metadata"), found, "", steps)
    except (ValueError, RecursionError):
        pass
    return _salvaged(data.decode("utf-8-sig", "surrogateescape"), steps)


def _salvaged(text: str, steps: bool) -> Reading:
    header, end, problems = _header(text)
    begins = _MESSAGES.search(text, end) or _FIRST_MESSAGE.search(text, end)
    if begins is None:
        return Reading([], [*problems, "cut off or damaged before its first message"])
    pieces = list(elements(text, begins.end(), MESSAGE))
    reading = _reading(header, pieces, text, steps)
    if not problems and not reading.problems:
        problems = ["not whole JSON, though every message could be read"]
    return Reading(reading.sessions, problems + reading.problems)


def _header(text: str) -> tuple[Record, int, list[str]]:
    """The metadata, where it ends, and what was wrong with it."""
    match = _METADATA.search(text)
    header, end = decoded(text, match.end()) if match else (None, 0)
    if header is not None:
        return header, end, []
    messages = _MESSAGES.search(text) or _FIRST_MESSAGE.search(text)
    end = messages.start() if messages else len(text)
    if messages is None:
        return {}, end, []
    return salvaged_header(text[:end]), end, ["the metadata is damaged; what could be read of it was kept"]


def _reading(header: object, pieces: Sequence[Found | Damage], text: str, steps: bool) -> Reading:
    conversation = Conversation(steps)
    problems = []
    for piece in pieces:
        if isinstance(piece, Damage):
            conversation.lose(piece)
            problems.append(f"{_place(piece, text)}: {piece.what}; the rest was kept")
        elif not isinstance(piece.record, dict) or not conversation.add(piece.record):
            problems.append(f"{_place(piece, text)}: a message whose role is unknown; the rest was kept")
    metadata = header if isinstance(header, dict) else {}
    identity = metadata.get("session_id")
    if not isinstance(identity, str) or not identity:
        identity = str(uuid5(NAMESPACE_URL, f"vibe:{conversation.opening or ''}"))
    session = Session(identity, "1.x", turns=conversation.turns)
    session.tools = tools_of(metadata) if steps else []
    describe(session, metadata)
    session.subagent = (conversation.opening or "").startswith(SUBAGENT)
    return Reading([session], problems)


def _place(piece: Found | Damage, text: str) -> str:
    return f"line {text.count(chr(10), 0, piece.place) + 1}" if text else "a message"
