"""What lies in the folder of documents: the files that can be read, and what was passed over and why."""

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from errors import BadInput

KINDS = {".pdf", ".txt"}


@dataclass(frozen=True)
class Source:
    """One file to read; its name is its path below the folder, with "/" between the parts on every system."""

    name: str
    path: Path
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True)
class Listing:
    """The sources by name, how many files of other kinds by suffix ("" for none), and what failed."""

    sources: list[Source]
    left_out: dict[str, int]
    problems: list[dict[str, str]]


def list_folder(folder: Path) -> Listing:
    """Every document below the folder, at any depth; hidden files and linked folders are passed over."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be used as the folder of documents ({error.strerror}): "
            "create it and put PDF and TXT files in it, or name another folder."
        ) from error
    sources: list[Source] = []
    left_out: Counter[str] = Counter()
    problems: list[dict[str, str]] = []

    def note(path: Path, reason: str) -> None:
        problems.append({"file": path.relative_to(folder).as_posix(), "reason": reason})

    for path in _files(folder, note):
        if path.suffix.lower() not in KINDS:
            left_out[path.suffix.lower()] += 1
            continue
        found = _source(folder, path)
        if isinstance(found, Source):
            sources.append(found)
        else:
            note(path, found)
    sources.sort(key=lambda source: source.name)
    problems.sort(key=lambda row: row["file"])
    return Listing(sources, dict(left_out), problems)


def digest(path: Path) -> str:
    """The SHA-256 of the file's bytes, in hex, read as a stream."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path, note: Callable[[Path, str], None]) -> Iterator[Path]:
    def unopened(error: OSError) -> None:
        note(Path(error.filename), f"the folder cannot be opened: {error.strerror}")

    for above, below, names in os.walk(folder, onerror=unopened):
        below[:] = [name for name in below if not name.startswith(".")]
        yield from (Path(above, name) for name in names if not name.startswith("."))


def _source(folder: Path, path: Path) -> Source | str:
    """The file as it is now, or the reason why it is none that can be read."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return "a link to a file that is not there"
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return "not a regular file"
    name = path.relative_to(folder).as_posix()
    return Source(name, path, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
