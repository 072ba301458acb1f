"""What the index knows of each file, and what an update says about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stores.versions import Version

if TYPE_CHECKING:
    from langchain_core.documents import Document


class Source(Protocol):
    """A file as the folder lists it: `name` is its path within the folder, times are in nanoseconds."""

    @property
    def name(self) -> str: ...  # noqa: D102  # a protocol's members are explained above
    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def mtime_ns(self) -> int: ...  # noqa: D102
    @property
    def ctime_ns(self) -> int: ...  # noqa: D102


class Reading(Protocol):
    """What reading a file gave: documents, a problem, or both."""

    @property
    def documents(self) -> list[Document]: ...  # noqa: D102
    @property
    def problem(self) -> str | None: ...  # noqa: D102


@dataclass
class Entry:
    """What the index remembers of a file; `sha256` is of its content."""

    sha256: str
    size: int
    mtime_ns: int
    ctime_ns: int
    passages: int = 0
    problem: str | None = None


@dataclass
class Report:
    """What an update did; `files` = added + changed + unchanged + those that gave nothing (see problems)."""

    files: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    passages: int = 0
    seconds: float = 0.0
    problems: list[dict[str, str]] = field(default_factory=list)


def entries_of(version: Version) -> dict[str, Entry]:
    """What a published version remembers, by file name."""
    return {name: Entry(**entry) for name, entry in version.facts["files"].items()}


def untouched(entry: Entry, source: Source) -> bool:
    """Whether size and times say that nobody wrote the file since."""
    return (entry.size, entry.mtime_ns, entry.ctime_ns) == (source.size, source.mtime_ns, source.ctime_ns)


def problems_of(entries: dict[str, Entry]) -> list[dict[str, str]]:
    """One row a file that was not, or not wholly, read."""
    return [{"file": name, "reason": entry.problem} for name, entry in entries.items() if entry.problem]


def report_on(entries: dict[str, Entry], known: dict[str, Entry]) -> Report:
    """What changed between two states of the folder."""
    report = Report(files=len(entries), problems=problems_of(entries))
    report.removed = sum(name not in entries for name in known)
    report.passages = sum(entry.passages for entry in entries.values())
    for name, entry in entries.items():
        if entry.passages == 0:
            continue
        if name not in known:
            report.added += 1
        elif known[name].sha256 == entry.sha256:
            report.unchanged += 1
        else:
            report.changed += 1
    return report
