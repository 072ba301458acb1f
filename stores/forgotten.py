"""What a person had forgotten, so that no log brings it back: a readable line each, never cleared."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from errors import StoreFailed

# What can be forgotten: a whole session, a whole project, or a turn by its identity.
KINDS = ("session", "project", "identity")


class Forgotten:
    """A file of lines `{"session": "…"}`, `{"project": "…"}` or `{"identity": "…"}`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, set[str]] = {kind: set() for kind in KINDS}
        with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as stream:
            for line in stream:
                with suppress(ValueError, AttributeError):  # a line that a crash cut off
                    for kind, value in json.loads(line).items():
                        self._known.setdefault(kind, set()).add(value)

    def add(self, rows: Iterable[tuple[str, str]]) -> None:
        """Remember for good; written before anything is deleted.

        Raises:
            StoreFailed: the disk did not take it; nothing was deleted yet.
        """
        new = [(kind, value) for kind, value in rows if value not in self._known[kind]]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as stream:
                # A line that a crash cut off must not swallow the first of these.
                stream.write("\n" * bool(stream.tell()))
                stream.writelines(json.dumps({kind: value}) + "\n" for kind, value in new)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StoreFailed(
                f"{self._path} cannot be written ({error.strerror}): nothing is forgotten."
            ) from error
        for kind, value in new:
            self._known[kind].add(value)

    def holds(self, names: Iterable[str], sessions: Iterable[str], project: str | None) -> bool:
        """Whether a turn was forgotten: by its names, a session that it belongs to, or its project."""
        return (
            not self._known["identity"].isdisjoint(names)
            or project in self._known["project"]
            or not self._known["session"].isdisjoint(sessions)
        )
