"""Whose turn it is on the GPU: the lock on it, and the journal of what is left to do, written to the disk."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import lending
from errors import Locked, StoreFailed
from lending import Lent

# A reader holds it for an instant (lending.told).
INSTANT_SECONDS = 1.0
PAUSE_SECONDS = 0.1


@contextmanager
def locked(journal: Path, patience: float, stopped: Callable[[], None]) -> Iterator[int]:
    """Hold the lock as an open file; whoever is handed that file holds it too.

    What a killed training left behind, a docker command or itself in its last step, is waited for so many
    seconds; `stopped` is called meanwhile, and may raise.

    Raises:
        Locked: a training has the GPU, or left something behind that does not end. StoreFailed: no such file.
    """
    path = lending.lock_of(journal)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreFailed(f"{path} cannot be written: {error.strerror}.") from error
    try:
        began = time.monotonic()
        while not _taken(handle):
            stopped()
            _refuse(journal, _holder(handle), time.monotonic() - began, patience)
            time.sleep(PAUSE_SECONDS)
        with suppress(OSError):  # on a full disk it stays without a name
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} {lending.birth(os.getpid())}\n".encode(), 0)
        yield handle
    finally:
        os.close(handle)


def left(journal: Path) -> Lent | None:
    """What a training noted that is gone; to be asked by who has the lock.

    Raises:
        Locked: it still runs, with another lock, since somebody removed the file. StoreFailed: it is damaged.
    """
    try:
        found = lending.read(journal)
    except (OSError, lending.Damaged) as error:
        raise StoreFailed(
            f"{journal} is damaged: start what ran before the training (`docker ps --all` shows it), "
            "then remove that file."
        ) from error
    if found and found.pid != os.getpid() and lending.lives(found.pid, found.born):
        raise _has_it(found.pid, found)
    return found


def write(journal: Path, entry: Lent) -> None:
    """Note a step before it is done, so that it is known after any crash.

    Raises:
        StoreFailed: the disk does not take it; what was noted before is intact.
    """
    partial = journal.with_suffix(".partial")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            json.dump(asdict(entry), stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(journal)
        _flush(journal.parent)
    except OSError as error:
        raise StoreFailed(f"{journal} cannot be written: {error.strerror}.") from error


def clear(journal: Path) -> None:
    """Nothing is left to do.

    Raises:
        StoreFailed: it cannot be removed.
    """
    try:
        journal.unlink(missing_ok=True)
        _flush(journal.parent)
    except OSError as error:
        raise StoreFailed(
            f"All runs again, but {journal} cannot be removed ({error.strerror}): remove it by hand."
        ) from error


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(handle: int) -> tuple[int, str]:
    pid, _, born = os.pread(handle, 100, 0).decode("latin-1").strip().partition(" ")
    return (int(pid) if pid.isdecimal() else 0), born


def _refuse(journal: Path, holder: tuple[int, str], waited: float, patience: float) -> None:
    """Give up: soon on a training that runs, after some time on what a killed one left."""
    pid, born = holder
    if lending.lives(pid, born) and waited > INSTANT_SECONDS:
        with suppress(OSError, lending.Damaged):
            raise _has_it(pid, lending.read(journal))
        raise _has_it(pid, None)
    if waited > patience:
        path = lending.lock_of(journal)
        raise Locked(
            f"What the killed training {pid} left behind still runs: end what `fuser {path}` shows, "
            "then try again."
        )


def _has_it(pid: int, lent: Lent | None) -> Locked:
    since = f" since {lent.time}" if lent else ""
    return Locked(
        f"Process {pid} has the GPU for a training{since}: wait until it is done, or end it: `kill {pid}`."
    )
