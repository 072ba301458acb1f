"""Which log a file or folder is, told by its shape: names may have been changed, first bytes damaged."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from loaders.vibe.chat_lines import CHAT, is_conversation
from loaders.vibe.salvage import Record

MESSAGES, META = "messages.jsonl", "meta.json"

_HEAD = 64 * 2**10
_GLANCE = 4096
_MOST_LINES = 20
_LINES = {".jsonl", ".ndjson"}
_OPENS = re.compile(rb"(?:\xef\xbb\xbf)?[\s\0]*\{")
_METADATA = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"metadata"\s*:\s*\{')
_MESSAGES = re.compile(rb'"messages"\s*:\s*\[\s*(?:\{\s*"role"|\])')
_CHAT = re.compile(rb'"role"\s*:\s*"(?:system|developer|user|assistant)"')
_SESSION_NAME = re.compile(r"session_\d{8}_\d{6}_\w+\.json")


def is_store(names: Collection[str], folder: Path) -> bool:
    """Whether the folder is a store of 3.x; other programs have a CURRENT too, but no such folders by it."""
    parts = {"generations", "chunks", "journal"}.intersection(names)
    if "CURRENT" in names:
        return bool(parts) or b'"gen' in head(folder / "CURRENT")
    return "generations" in parts and (len(parts) > 1 or _numbered(folder / "generations"))


def is_session_folder(names: Collection[str], folder: Path) -> bool:
    """Whether the folder is a session of 2.x; conversations in a file that is called so are none."""
    if MESSAGES not in names:
        return False
    start = b"" if META in names else head(folder / MESSAGES, _HEAD)
    return not any(is_conversation(record) for record in _records(start))


def file_kind(path: Path) -> str | None:
    """Which log a file is: "1.x", "jsonl", or None for any other file."""
    start = head(path)
    if not _OPENS.match(start) and path.suffix not in {".json", *_LINES}:
        return None
    if len(start) == _GLANCE:
        start = head(path, _HEAD)
    records = list(_records(start))
    if _METADATA.match(start) and b'"session_id"' in start and len(records) < 2:
        return "1.x"
    if any(map(CHAT.fits, records)) or (_is_lines(path, start) and _CHAT.search(start)):
        return "jsonl"
    if _SESSION_NAME.fullmatch(path.name) or _holds_session(path, start):
        return "1.x"
    return None


def head(path: Path, size: int = _GLANCE) -> bytes:
    """The first bytes; none of a file that cannot be opened."""
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(size)
    except OSError:
        return b""


def _records(start: bytes) -> Iterator[Record]:
    """The objects that fill a line, among the first lines."""
    for line in start.split(b"\n", _MOST_LINES)[:_MOST_LINES]:
        try:
            value = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            yield value


def _is_lines(path: Path, start: bytes) -> bool:
    """Whether this is no JSON that is laid out in lines, so that a message in it would be a record."""
    return path.suffix in _LINES or b"\n" not in start


def _holds_session(path: Path, start: bytes) -> bool:
    """Whether metadata and messages stand in the file, the beginning of which may be damaged."""
    if not _METADATA.match(start) and b'"session_id"' not in start:
        return False
    return _MESSAGES.search(head(path, 64 * _HEAD)) is not None


def _numbered(folder: Path) -> bool:
    try:
        return any(len(path.name) == 16 and path.name.isdigit() for path in folder.iterdir())
    except OSError:
        return False
