"""Which paths are synced, and which are refused, wherever they come from: a disk or a stranger's manifest."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from pathlib import PurePosixPath

LONGEST_PATH, LONGEST_NAME = 1000, 200  # bytes; room is left for the names of conflicts
TOMBSTONES = re.compile(r"memory/(owners/[A-Za-z0-9_-]{1,40}/)?forgotten\.jsonl")
_ADAPTER = re.compile(r"adapters/[^/]+/.+", re.S)
_DRIVE = re.compile(r"[A-Za-z]:")
# Locks, databases, what a killed run left: remade, or of this machine alone. Questions are a person's own.
_PASSING = re.compile(
    r".*\.(tmp|lock|part|partial|sock|pid|ledger|db|sqlite3?)|.*[.](db|sqlite3?)?-(wal|shm|journal)"
    r"|\.?partial-.*|lock|chat_history|__pycache__|node_modules|\.git|\.venv",
    re.I | re.S,
)
_CONTROL = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"  # of scripts and emoji; every other format character can hide what a name says


def is_tombstones(path: str) -> bool:
    """Whether it is a list of what was forgotten: always merged, never replaced, never deleted."""
    return TOMBSTONES.fullmatch(path) is not None


def hostile(path: object) -> str | None:
    """Why a path must not be used at all; None where it may be."""
    if not isinstance(path, str):
        return "it is no name"
    if any(unicodedata.category(sign) in _CONTROL and sign not in _JOINERS for sign in path):
        return "it has characters that cannot be shown"
    if "\\" in path or path.startswith("/"):
        return "it does not stay below DATA_DIR"
    parts = path.split("/")
    if any(part in ("", ".", "..") or _DRIVE.match(part) for part in parts):
        return "it does not stay below DATA_DIR"
    if any(part[-1] in ". " or part[0] == " " for part in parts):
        return "a name in it ends with a dot or a space, or begins with one"
    long = len(path.encode()) > LONGEST_PATH or any(len(part.encode()) > LONGEST_NAME for part in parts)
    return "it is too long" if long else None


def left_out(path: str, ours: Collection[str]) -> bool:
    """Whether it is not synced: what can be made again, what only this machine needs, what is hidden."""
    parts = path.split("/")
    if any(_PASSING.fullmatch(part) for part in parts) or parts[-1].startswith("."):
        return True
    if folded(parts[0]) not in {folded(name) for name in (*ours, "bucket")}:
        return False
    return not (is_tombstones(path) or _ADAPTER.fullmatch(path))


def refused(path: object, ours: Collection[str]) -> str | None:
    """Why a path of a manifest is refused; None where it may be written."""
    if (reason := hostile(path)) or not isinstance(path, str):
        return reason
    return "it is not among what is synced" if left_out(path, ours) else None


def folded(path: str) -> str:
    """The same for two names that some file system takes for one."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", path).casefold())


def clashes(paths: Collection[str]) -> dict[str, str]:
    """Why some of these cannot lie beside the others: the same but for case, or a file where a folder is."""
    found: dict[str, str] = {}
    first: dict[str, str] = {}
    above = {folded(str(folder)) for path in paths for folder in PurePosixPath(path).parents}
    for path in sorted(paths):
        fold = folded(path)
        if first.setdefault(fold, path) != path:
            found[path] = f"but for its case it is {first[fold]}"
        elif fold in above:
            found[path] = "others lie below it, as if it were a folder"
    return found


def conflict(path: str, sha256: str) -> str:
    """Where a file is kept whose place another took; the same on every machine, and still read as a log."""
    place = PurePosixPath(path)
    return str(place.with_name(f"{place.stem}.conflict-{sha256[:12]}{place.suffix}"))
