"""One verified folder on disk: whole versions, a pointer to the current one, and nothing in between.

    CURRENT                 "7 <sha256 of 7/manifest.json>"
    7/manifest.json         what the caller wants remembered, and the sha256 of every other file
    7/...                   the files themselves
    6/                      the version before, in case the current one is damaged

A version is written under another name, flushed, renamed and only then pointed to, so that a crash, a full
disk or a power cut leaves the old version or the new one. Nothing is pickled. Writers hold the lock.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import StoreFailed
from stores.durable import PARTIAL, flush, replace
from stores.lock import held

KEPT = 2


@dataclass(frozen=True)
class Version:
    """A whole version whose every byte was checked."""

    folder: Path
    facts: dict[str, Any]


class Versions:
    """The versions in one folder; reading needs no lock."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def writing(self, wait_seconds: float = 0) -> Iterator[None]:
        """Hold the only right to write; what an interrupted writer left behind is cleared away."""
        with held(self.root / "lock", wait_seconds):
            for leftover in self.root.glob(f"{PARTIAL}*"):
                shutil.rmtree(leftover, ignore_errors=True)
            yield

    def newest(self) -> Version | None:
        """The current version or, where that is damaged, the one before; None when there is no whole one."""
        checksum = self._pointer()
        numbers = self._numbers()
        for number in reversed(numbers):
            wanted = checksum[1] if checksum and checksum[0] == number else None
            version = _verified(self.root / str(number), wanted)
            # A version that CURRENT does not name yet was renamed but never published.
            if version and (checksum is None or number <= checksum[0]):
                return version
        return None

    def publish(self, facts: dict[str, Any], fill: Callable[[Path], None]) -> None:
        """Write a new version: `fill` puts its files into the folder it is given. Call it within `writing`.

        Raises:
            StoreFailed: the disk did not take it; the version before serves on.
        """
        number = max(self._numbers(), default=0) + 1
        partial = self.root / f"{PARTIAL}{number}"
        try:
            partial.mkdir(parents=True)
            fill(partial)
            checksum = _seal(partial, facts)
            partial.rename(self.root / str(number))
            flush(self.root)
            replace(self.root / "CURRENT", f"{number} {checksum}\n")
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise StoreFailed(
                f"The index could not be written to {self.root} ({error.strerror}): the one before is kept."
            ) from error
        self._prune()

    def _pointer(self) -> tuple[int, str] | None:
        try:
            number, checksum = (self.root / "CURRENT").read_text().split()
            return int(number), checksum
        except (OSError, ValueError):
            return None

    def _numbers(self) -> list[int]:
        if not self.root.is_dir():
            return []
        return sorted(int(path.name) for path in self.root.iterdir() if path.name.isdigit())

    def _prune(self) -> None:
        for number in self._numbers()[:-KEPT]:
            shutil.rmtree(self.root / str(number), ignore_errors=True)


def _seal(folder: Path, facts: dict[str, Any]) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    sums = {path.relative_to(folder).as_posix(): _flushed_sum(path) for path in files}
    for inner in {path.parent for path in files}:
        flush(inner)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"facts": facts, "sha256": sums}, indent=1), encoding="utf-8")
    checksum = _flushed_sum(manifest)
    flush(folder)
    return checksum


def _verified(folder: Path, manifest_sum: str | None) -> Version | None:
    try:
        raw = (folder / "manifest.json").read_bytes()
        if manifest_sum is not None and hashlib.sha256(raw).hexdigest() != manifest_sum:
            return None
        manifest = json.loads(raw)
        whole = all(_sum(folder / name) == wanted for name, wanted in manifest["sha256"].items())
        return Version(folder, manifest["facts"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _sum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _flushed_sum(path: Path) -> str:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
        return hashlib.file_digest(stream, "sha256").hexdigest()
