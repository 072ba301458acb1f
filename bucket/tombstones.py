"""What was forgotten on several machines: the union of their lines, so that nothing comes back."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from bucket.place import Fault, beneath, there, told
from stores.forgotten import KINDS

LARGEST = 64 << 20


def lines(raw: bytes) -> list[str]:
    """The whole lines of a list, each once and written one way; whatever else stands there is passed over."""
    return list(dict.fromkeys(_lines(raw)))


def union(first: bytes, second: bytes) -> bytes:
    """Both lists in one: the same whichever machine merges, once the first is in the bucket."""
    both = dict.fromkeys([*lines(first), *lines(second)])
    return "".join(f"{line}\n" for line in both).encode()


def take(root: Path, path: str, new: Iterable[str]) -> None:
    """Append lines; not a new file, since `forget` may append to this one at the same moment.

    Raises:
        Fault: it cannot be written. StoreFailed: the disk is full.
    """
    raw = "".join(f"{line}\n" for line in new).encode()
    with told(), beneath(root, path, make=True) as (folder, name):
        there(folder, name)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(name, flags, 0o600, dir_fd=folder)
        try:
            size = os.fstat(handle).st_size
            cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            whole = b"\n" * cut + raw  # a line that a crash cut off must not swallow the first of these
            if os.write(handle, whole) != len(whole):
                raise Fault("it was not written whole: run it again")
            os.fsync(handle)
        finally:
            os.close(handle)
        os.fsync(folder)


def digest(raw: bytes) -> str:
    """The name of a content."""
    return hashlib.sha256(raw).hexdigest()


def _lines(raw: bytes) -> Iterator[str]:
    for line in raw.decode(errors="replace").splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        for kind in KINDS if isinstance(row, dict) else ():
            if isinstance(row.get(kind), str):
                yield json.dumps({kind: row[kind]})
