"""Files below a root, reached folder by folder, so that no link leads out of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from errors import StoreFailed

PARTIAL = ".bucket-"  # and .tmp at its end, which readers of logs pass over
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_LINKED = {errno.ELOOP, errno.ENOTDIR}

Signature = tuple[int, int, int]


class Fault(Exception):
    """One file that cannot be read or written; the others can."""


@contextmanager
def beneath(root: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The folder that holds a path, open, and the path's last name; missing folders are made with `make`."""
    *folders, name = path.split("/")
    handle = os.open(root, _FOLDER)
    try:
        for folder in folders:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(folder, 0o700, dir_fd=handle)
                    os.fsync(handle)
            inner = os.open(folder, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
            os.close(handle)
            handle = inner
        yield handle, name
    finally:
        os.close(handle)


@contextmanager
def reading(root: Path, path: str) -> Iterator[int]:
    """A regular file, open to be read; a link or a pipe never is."""
    with beneath(root, path) as (folder, name):
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Fault("it is no file")
        yield handle
    finally:
        os.close(handle)


def signature(found: os.stat_result) -> Signature:
    """What changes whenever a file's content does."""
    return found.st_size, found.st_mtime_ns, found.st_ino


def there(folder: int, name: str) -> Signature | None:
    """The signature of what lies at a name; None where nothing does.

    Raises:
        Fault: a link, a folder or something else that no log is.
    """
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise Fault("a link or a folder is in its place")
    return signature(found)


@contextmanager
def told() -> Iterator[None]:
    """What the disk answered, as a fault of this file; a full disk is one of all.

    Raises:
        StoreFailed: the disk is full. Fault: anything else.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFailed(
                f"The disk takes no more ({error.strerror}): make room and run it again; "
                "each file is as it was, or new and whole."
            ) from error
        if error.errno in _LINKED:
            raise Fault("a link or a file is where a folder should be") from error
        raise Fault(error.strerror or str(error)) from error
