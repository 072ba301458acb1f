"""The manifest of a bucket: read as something that a stranger may have written."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from bucket.names import clashes, refused
from bucket.place import Fault
from errors import BadInput, StoreFailed

SCHEMA = 1
LARGEST_FILE = 1 << 37
MOST_FILES = 500_000
_SHA256, _PUSH = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Entry:
    """A file as it lies in the bucket."""

    size: int
    sha256: str
    mtime_ns: int
    push: str

    @property
    def key(self) -> str:
        """Where its content lies: no push writes, or leans on, what another may be deleting."""
        return f"objects/{self.push}/{self.sha256}"

    def damaged(self) -> Fault:
        """What to say where the content is another than its sha256 says."""
        return Fault(
            f"its content in the bucket is damaged: delete {self.key} there, "
            "then push from the machine that has it"
        )


@dataclass
class Manifest:
    """What the bucket holds; `strange` are rows that are refused, and kept as they are."""

    files: dict[str, Entry] = field(default_factory=dict)
    strange: list[Any] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)

    def named(self) -> set[str]:
        """Every path in it, also the refused ones."""
        rows = (row.get("path") for row in self.strange if isinstance(row, dict))
        return {*self.files, *(path for path in rows if isinstance(path, str))}

    def written(self) -> bytes:
        """The bytes of the manifest."""
        rows = [
            {"path": path, "size": at.size, "sha256": at.sha256, "mtime_ns": at.mtime_ns, "push": at.push}
            for path, at in sorted(self.files.items())
        ]
        return json.dumps({"schema": SCHEMA, "files": rows + self.strange}, indent=0).encode()


def parse(raw: bytes, ours: Collection[str]) -> Manifest:
    """What a manifest says, as far as it can be used; each row that cannot be is a problem.

    Raises:
        StoreFailed: it is damaged. BadInput: a newer Recuerdo wrote it.
    """
    try:
        told = json.loads(raw)
        schema, rows = told["schema"], told["files"]
        if not isinstance(schema, int) or not isinstance(rows, list) or len(rows) > MOST_FILES:
            raise ValueError("no manifest")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreFailed(
            "manifest.json in the bucket is damaged: bring an older version back, or move it away and push."
        ) from error
    if schema != SCHEMA:
        raise BadInput(f"The bucket is of schema {schema}, and this Recuerdo reads {SCHEMA}: update it.")
    found = Manifest()
    for row in rows:
        _take(found, row, ours)
    for path, reason in clashes(found.files).items():
        at = found.files.pop(path)
        row = {"path": path, "size": at.size, "sha256": at.sha256, "mtime_ns": at.mtime_ns, "push": at.push}
        _refuse(found, row, reason)
    return found


def _take(found: Manifest, row: Any, ours: Collection[str]) -> None:
    path = row.get("path") if isinstance(row, dict) else None
    reason = refused(path, ours) or (None if _is_whole(row) else "its entry is damaged")
    if not reason and path in found.files:
        reason = "it is named twice"
    if reason:
        _refuse(found, row, reason)
    else:
        found.files[str(path)] = Entry(row["size"], row["sha256"], row["mtime_ns"], row["push"])


def _refuse(found: Manifest, row: Any, reason: str) -> None:
    path = row.get("path") if isinstance(row, dict) else None
    shown = ascii(path)[1:-1][:200] if isinstance(path, str) else "a row of the manifest"
    found.strange.append(row)
    found.problems.append({"file": shown, "reason": f"refused: {reason}"})


def _is_whole(row: Any) -> bool:
    size, sha256, mtime, push = (row.get(name) for name in ("size", "sha256", "mtime_ns", "push"))
    numbers = type(size) is int and type(mtime) is int and 0 <= size <= LARGEST_FILE and 0 <= mtime < 1 << 62
    words = isinstance(sha256, str) and isinstance(push, str)
    return numbers and words and bool(_SHA256.fullmatch(sha256) and _PUSH.fullmatch(push))
