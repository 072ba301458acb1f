"""The logs of coding agents in a tree, whichever their formats, and what each of them holds."""

import hashlib
import stat
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from errors import BadInput
from loaders.vibe.chat_lines import read_chats
from loaders.vibe.folder import read_folder
from loaders.vibe.sessions import Reading
from loaders.vibe.single_file import read_file
from loaders.vibe.tree import Sighting, look_at_file, look_below
from loaders.vibe.unified import read_unified

__all__ = ["Listing", "Log", "Reading", "counted", "list_logs", "read_log"]

_READERS = {"1.x": read_file, "2.x": read_folder, "3.x": read_unified, "jsonl": read_chats}
# No log says which version of its client wrote it; what it looks like tells as much.
_CLIENTS = {
    "3.x": "Vibe 2.26 or 3 (unified store)",
    "2.x": "Vibe 2 (folder)",
    "1.x": "Vibe 1 (JSON file)",
    "jsonl": "other clients (JSON lines)",
}


@dataclass(frozen=True)
class Log:
    """One log: a file or a folder; its signature changes whenever its content does, and needs none of it."""

    name: str
    path: Path
    kind: str
    signature: str


@dataclass(frozen=True)
class Listing:
    """The logs by name, and what cannot be looked at or holds no messages."""

    logs: list[Log]
    problems: list[dict[str, str]]


def list_logs(root: Path, passed_over: Collection[Path] = ()) -> Listing:
    """Every log below the root, which may itself be one; no linked folder is entered, nor one passed over.

    Raises:
        BadInput: the root is not there or cannot be opened.
    """
    try:
        folder = stat.S_ISDIR(root.stat().st_mode)
        next(root.iterdir() if folder else iter(()), None)
        found = list(look_below(root, passed_over)) if folder else [look_at_file(root)]
    except OSError as error:
        raise BadInput(
            f"{root} cannot be used as the place of logs ({error.strerror}): "
            "name the folder where your agent keeps its sessions, or one of them."
        ) from error
    logs: list[Log] = []
    problems: list[dict[str, str]] = []
    for item in found:
        name = _name(item.path, root)
        if isinstance(item, Sighting):
            logs.append(Log(name, item.path, item.kind, _signature(item.parts)))
        else:
            problems.append({"file": name, "reason": item.reason})
    logs.sort(key=lambda log: log.name)
    problems.sort(key=lambda row: row["file"])
    return Listing(logs, problems)


def counted(logs: Iterable[Log]) -> dict[str, int]:
    """How many logs each client left, the newest first; for a person, who knows it by its version."""
    kinds = Counter(log.kind for log in logs)
    return {name: kinds[kind] for kind, name in _CLIENTS.items() if kinds[kind]}


def read_log(log: Log, steps: bool = False) -> Reading:
    """The sessions of a log; whatever happened to it, this returns what is left, and says what is not.

    With `steps` each turn keeps what the model said, called and was answered; the memory does without.
    """
    try:
        return _READERS[log.kind](log.path, steps)
    except FileNotFoundError:
        return Reading([], ["it was there, and is not any more"])
    except OSError as error:
        return Reading([], [f"it cannot be read: {error.strerror}"])


def _name(path: Path, root: Path) -> str:
    if path != root and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return path.name or path.resolve().name


def _signature(parts: Iterable[Path]) -> str:
    seen = hashlib.blake2b(digest_size=16)
    for path in parts:
        try:
            found = path.stat()
            seen.update(f"{path.name}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ino}\0".encode())
        except OSError:
            seen.update(f"{path.name}\0missing\0".encode())
    return seen.hexdigest()
