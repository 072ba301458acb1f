"""Small files that are whole or not there, whatever happens to the process or the power."""

from __future__ import annotations

import os
from pathlib import Path

PARTIAL = "partial-"


def flush(folder: Path) -> None:
    """Make sure that the folder's own entries are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(path: Path, text: str) -> None:
    """Give a file a new content: another name, flushed, renamed."""
    partial = path.with_name(f"{PARTIAL}{path.name}")
    with partial.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
    flush(path.parent)
