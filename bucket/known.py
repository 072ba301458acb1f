"""What a machine remembers of its syncs; only a cache, and lost without harm."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from bucket.place import Signature
from errors import StoreFailed
from stores.durable import replace


@dataclass
class Known:
    """`sums`: the sha256 by path and signature. `synced`: what a path was when here and bucket were the same.

    `push` names the objects of a push that is not done, so that the next one finds them.
    """

    file: Path
    uri: str
    push: str = field(default_factory=lambda: uuid4().hex)
    sums: dict[str, tuple[Signature, str]] = field(default_factory=dict)
    synced: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path, uri: str) -> Known:
        """What was remembered; of another bucket only the sums hold."""
        known = cls(file, uri)
        try:
            told = json.loads(file.read_bytes())
            known.sums = {path: (_signature(row[0]), str(row[1])) for path, row in told["sums"].items()}
            if told["uri"] == uri:
                known.synced = {str(path): str(sum_) for path, sum_ in told["synced"].items()}
                # Two copies of one DATA_DIR must never write the same objects.
                known.push = str(told["push"]) if told["folder"] == _folder(file) else known.push
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
            return cls(file, uri)
        return known

    def save(self) -> None:
        """Remember.

        Raises:
            StoreFailed: the disk did not take it.
        """
        told: dict[str, Any] = {"uri": self.uri, "push": self.push, "sums": self.sums, "synced": self.synced}
        try:
            told["folder"] = _folder(self.file)
            self.file.parent.chmod(0o700)
            replace(self.file, json.dumps(told))
        except OSError as error:
            raise StoreFailed(f"{self.file} cannot be written: {error.strerror}.") from error


def _folder(file: Path) -> list[int]:
    found = file.parent.stat()
    return [found.st_dev, found.st_ino]


def _signature(row: Any) -> Signature:
    size, mtime_ns, inode = (int(number) for number in row)
    return size, mtime_ns, inode
