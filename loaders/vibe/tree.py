"""Where logs lie in a tree: every folder is looked at once, and told by its shape what it is."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from loaders.vibe.shapes import MESSAGES, META, file_kind, head, is_session_folder, is_store

# What an agent keeps beside its logs, and large folders of other programs.
_IGNORED = frozenset(
    {"active", "plugins", "quarantine", ".last_session", ".session-index.json"}
    | {".git", ".venv", "node_modules", "__pycache__"}
)


@dataclass(frozen=True)
class Sighting:
    """A log that lies there, and the files and folders that change when it does."""

    path: Path
    kind: str
    parts: list[Path]


@dataclass(frozen=True)
class Flaw:
    """A folder or file that cannot be looked at, or holds no messages."""

    path: Path
    reason: str


def look_at_file(path: Path) -> Sighting | Flaw:
    """What a file is that was named by itself; the messages of a session stand for its folder."""
    folder = path.parent
    if path.name == MESSAGES and is_session_folder({entry.name for entry in folder.iterdir()}, folder):
        return _session(folder)
    return _file(path) or Flaw(path, "not a log of a coding agent that is known here")


def look_below(root: Path, passed_over: Collection[Path]) -> Iterator[Sighting | Flaw]:
    """Every log at any depth, the root itself included; linked folders are not entered."""
    # No link is followed on the way down, so that the real path of each folder is known without asking.
    real_root = root.resolve()
    shut = {path.resolve() for path in passed_over}
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        if shut and folder != root and real_root / folder.relative_to(root) in shut:
            continue
        try:
            with os.scandir(folder) as found:
                entries = {entry.name: entry for entry in found}
        except OSError as error:
            yield Flaw(folder, f"the folder cannot be opened: {error.strerror}")
            continue
        if is_store(entries, folder):
            if folder == root or not folder.name.startswith("child-"):  # a subagent's
                yield _store(folder)
            continue
        session = is_session_folder(entries, folder)
        yield from _logs(folder, entries, session)
        waiting += [folder / name for name, entry in entries.items() if _is_entered(entry, session)]


def _logs(folder: Path, entries: dict[str, os.DirEntry[str]], session: bool) -> Iterator[Sighting | Flaw]:
    if session:
        yield _session(folder)
    elif META in entries and MESSAGES not in entries and b'"session_id"' in head(folder / META):
        yield Flaw(folder, "a session without its messages")
    for name, entry in entries.items():
        if _is_ignored(name) or (session and name in (MESSAGES, META)) or not _is_file(entry):
            continue
        found = _file(folder / name)
        if found:
            yield found


def _session(folder: Path) -> Sighting | Flaw:
    parts = [folder / MESSAGES, folder / META]
    if _is_empty(parts[0]):
        return Flaw(folder, "a session without any messages")
    return Sighting(folder, "2.x", parts)


def _store(folder: Path) -> Sighting:
    parts = [folder / name for name in ("CURRENT", META, "generations", "chunks")]
    try:
        journal = sorted((folder / "journal").iterdir())
    except OSError:
        journal = []
    return Sighting(folder, "3.x", [*parts, *journal])


def _file(path: Path) -> Sighting | Flaw | None:
    kind = file_kind(path)
    if kind and _is_empty(path):
        return Flaw(path, "a session without any messages")
    return Sighting(path, kind, [path]) if kind else None


def _is_ignored(name: str) -> bool:
    return name in _IGNORED or name.endswith(".tmp")


def _is_entered(entry: os.DirEntry[str], session: bool) -> bool:
    if _is_ignored(entry.name) or (session and entry.name == "agents"):
        return False
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a regular file or a link to one: a pipe would keep its reader waiting for ever."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return False
