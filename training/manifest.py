"""A file of rows and, beside it, what is known of it: both whole or not there, and their owner's alone."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from errors import BadInput, StoreFailed

ENDING = ".manifest.json"


def beside(path: Path) -> Path:
    """Where the manifest of a file is."""
    return path.with_name(path.name + ENDING)


class Rows:
    """A file in the making; `lines` has for each row its labels and the sha256 of its line without end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self.lines: list[dict[str, Any]] = []

    def add(self, row: Mapping[str, Any], labels: Mapping[str, Any]) -> None:
        """Write a row as one line; the labels are what the manifest says of it."""
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace")
        self._stream.write(line + b"\n")
        self._sha256.update(line + b"\n")
        self.lines.append({"sha256": hashlib.sha256(line).hexdigest(), **labels})

    @property
    def count(self) -> int:
        """Rows written."""
        return len(self.lines)

    @property
    def sha256(self) -> str:
        """Of all bytes written."""
        return self._sha256.hexdigest()


@contextmanager
def appearing(path: Path, facts: dict[str, Any]) -> Iterator[Rows]:
    """A file to write rows into; when the block ends well, it and its manifest take the place of older ones.

    The manifest also holds `facts`, as they are at the end of the block.

    Raises:
        BadInput: something lies there that is no file of rows.
        StoreFailed: the disk did not take it; what was there before is as it was.
    """
    must_be_ours(path)
    partial, note = (one.with_name(f".{one.name}.tmp") for one in (path, beside(path)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _private(partial) as stream:
            rows = Rows(stream)
            yield rows
        with _private(note) as stream:
            told = {"file": path.name, "sha256": rows.sha256, **facts, "rows": rows.lines}
            stream.write(json.dumps(told, ensure_ascii=False, indent=1).encode("utf-8", "replace"))
        beside(path).unlink(
            missing_ok=True
        )  # from here to the end the file is without one, never with another's
        partial.replace(path)
        note.replace(beside(path))
        _flush(path.parent)
    except OSError as error:
        raise StoreFailed(f"{path} cannot be written ({error.strerror}): no rows were made.") from error
    finally:
        for one in (partial, note):
            with suppress(OSError):
                one.unlink(missing_ok=True)


def must_be_ours(path: Path) -> None:
    """Refuse a place where something else lies.

    Raises:
        BadInput: a folder, or a file that has no manifest.
    """
    if path.exists() and not beside(path).is_file():
        raise BadInput(
            f"{path} is there already, and `rows` did not make it: choose another --out, or remove it."
        )


def must_be_unchanged(path: Path) -> None:
    """Refuse a file of rows that is not as its manifest says; one without a manifest is nobody's.

    Raises:
        BadInput: it was changed since.
    """
    try:
        noted = json.loads(beside(path).read_bytes())["sha256"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        noted = None
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != noted:
        raise BadInput(
            f"{path} is not what its manifest says: make it anew with `python -m training rows`, "
            f"or remove {beside(path).name} if you changed it on purpose."
        )


@contextmanager
def _private(path: Path) -> Iterator[BinaryIO]:
    path.unlink(missing_ok=True)  # a killed run's
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
