"""Folders that take long to make and are kept: whole or not there, made once, on a disk that has the room."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from errors import BadInput, StoreFailed

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Tell nobody."""


def made(folder: Path, fill: Callable[[Path], None], say: Say = silent) -> Path:
    """The folder, which `fill` makes where it is not there: whole or not at all, by one process at a time.

    Raises:
        StoreFailed: the disk did not take it.
    """
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f".lock-{folder.name}")
        with _alone(lock, say):
            if not folder.is_dir():
                _make(folder, fill)
            lock.unlink(missing_ok=True)  # whoever waits for it, or makes it anew, finds the folder
    except OSError as error:
        raise StoreFailed(f"{folder} could not be written: {error.strerror or error}.") from error
    return folder


def must_fit(
    needed: int, folder: Path, what: str, cure: str = "set DATA_DIR and HF_HOME to a larger disk"
) -> None:
    """Refuse before anything is written what the disk has no room for [bytes].

    Raises:
        BadInput: it has not.
    """
    there = next(path for path in [folder.absolute(), *folder.absolute().parents] if path.is_dir())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise BadInput(
            f"{what} takes {needed / 1e9:.1f} GB below {there}, where {free / 1e9:.1f} GB are free: "
            f"make room, or {cure}."
        )


def _make(folder: Path, fill: Callable[[Path], None]) -> None:
    partial = folder.with_name(f".partial-{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
    try:
        partial.mkdir()
        fill(partial)
        _flush(partial)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _alone(lock: Path, say: Say) -> Iterator[None]:
    """Hold a lock that the system lets go of when its holder dies."""
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another process is making it: waiting")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _flush(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
