"""What of DATA_DIR is synced, and the sha256 of each file, computed only when the file changed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bucket.known import Known
from bucket.names import clashes, hostile, left_out
from bucket.place import PARTIAL, Fault, Signature, reading, signature, told

BLOCK = 1 << 20
# A change within the clock's grain after the look keeps the signature: so young a file is read again.
YOUNG_SECONDS = 2
Say = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Home:
    """DATA_DIR, and the names of its folders that are Recuerdo's own."""

    root: Path
    ours: tuple[str, ...]

    @property
    def own(self) -> Path:
        """Where the sync remembers what it did."""
        return self.root / "bucket"


@dataclass(frozen=True)
class Here:
    """A file as it was when it was read."""

    signature: Signature
    sha256: str

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.signature[0]


@dataclass
class Found:
    """The files that are synced; `unread` ones cannot be used; `blind` where a folder was shut."""

    files: dict[str, Here] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    blind: bool = False

    def problems(self) -> list[dict[str, str]]:
        """What could not be used, and why."""
        return [{"file": ascii(path)[1:-1], "reason": why} for path, why in sorted(self.unread.items())]


def look(home: Home, known: Known, say: Say) -> Found:
    """Every file that is synced; those that did not change since they were read last are not opened."""
    found = Found()
    paths = list(_walk(home, found))
    for path, reason in clashes(paths).items():
        found.unread[path] = f"not synced: {reason}"
    chosen = [path for path in paths if path not in found.unread]
    for number, path in enumerate(chosen):
        say("reading", number, len(chosen))
        try:
            with told():
                found.files[path] = _read(home.root, path, known)
        except Fault as fault:
            found.unread[path] = f"not read: {fault}"
    known.sums = {path: known.sums[path] for path in found.files if path in known.sums}
    return found


def begins_with(root: Path, path: str, size: int, sha256: str) -> bool:
    """Whether the first bytes of a file are that content."""
    with reading(root, path) as handle:
        return _sum(handle, size) == sha256


def sweep(home: Home) -> None:
    """Remove what a killed pull left under a temporary name."""
    for above, folders, names in os.walk(home.root):
        if Path(above) == home.root:
            folders[:] = [name for name in folders if name not in home.ours or name in ("memory", "adapters")]
        for name in names:
            if name.startswith(PARTIAL) and name.endswith(".tmp"):
                Path(above, name).unlink(missing_ok=True)


def _walk(home: Home, found: Found) -> Iterator[str]:
    waiting = [home.root]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                rows = [(row.name, _kind(row)) for row in entries]
        except OSError as error:
            found.blind = True
            found.unread[f"{folder.relative_to(home.root)}/"] = f"not opened: {error.strerror}"
            continue
        for name, kind in rows:
            path = (folder / name).relative_to(home.root).as_posix()
            if kind == "folder":
                if _may_hold(path, home.ours):
                    waiting.append(folder / name)
            elif kind == "file" and not left_out(path, home.ours):
                if reason := hostile(path):
                    found.unread[path] = f"not synced: {reason}"
                else:
                    yield path


def _kind(row: os.DirEntry[str]) -> str | None:
    """A folder or a file; a link to either is neither."""
    if row.is_dir(follow_symlinks=False):
        return "folder"
    return "file" if row.is_file(follow_symlinks=False) else None


def _may_hold(path: str, ours: tuple[str, ...]) -> bool:
    # An owner's list and a file of an adapter stand for what may lie below.
    inside = ("x", "x/x", "forgotten.jsonl", "x/forgotten.jsonl")
    return any(not left_out(f"{path}/{name}", ours) for name in (*inside, "owners/x/forgotten.jsonl"))


def _read(root: Path, path: str, known: Known) -> Here:
    with reading(root, path) as handle:
        before = signature(os.fstat(handle))
        row = known.sums.get(path)
        if row and row[0] == before:
            return Here(before, row[1])
        sha256 = _sum(handle, before[0])
    if time.time() - before[1] / 1e9 > YOUNG_SECONDS:
        known.sums[path] = (before, sha256)
    else:
        known.sums.pop(path, None)
    return Here(before, sha256)


def _sum(handle: int, size: int) -> str:
    """Of the first bytes only: a log may grow meanwhile, and what is added is for the next run."""
    digest, done = hashlib.sha256(), 0
    while done < size:
        block = os.pread(handle, min(BLOCK, size - done), done)
        if not block:
            raise Fault("it shrank while it was read: run it again")
        digest.update(block)
        done += len(block)
    return digest.hexdigest()
