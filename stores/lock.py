"""One writer a store: a lock that the system itself lets go of when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from errors import Locked, StoreFailed

PAUSE_SECONDS = 0.1


@contextmanager
def held(path: Path, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the lock file at `path`, whose text names the holder's process id.

    Raises:
        Locked: another process still holds it after `wait_seconds`.
        StoreFailed: the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreFailed(f"{path} cannot be written: {error.strerror}.") from error
    try:
        _acquire(handle, path, time.monotonic() + wait_seconds)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 32, 0).decode().strip() or "unknown"
                raise Locked(
                    f"Process {holder} is writing {path.parent} at this moment: wait until it is done."
                ) from error
            time.sleep(PAUSE_SECONDS)
        else:
            return
