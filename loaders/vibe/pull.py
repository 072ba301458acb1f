"""Session logs copied to another folder: only what changed, whole or not at all, nothing deleted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from errors import BadInput
from loaders.vibe.logs import Log, list_logs

PARTIAL = ".tmp"  # readers of logs pass such names over


@dataclass
class Copied:
    """What a copy did; `problems` are the files that could not be copied."""

    into: str
    sessions: int = 0
    copied: int = 0
    unchanged: int = 0
    problems: list[dict[str, str]] = field(default_factory=list)


def pull(source: Path, home: Path) -> Copied:
    """Copy every session log below a folder into `home/<its name>`.

    Only logs are copied: what else lies there (settings, keys) stays where it is.

    Raises:
        BadInput: the folder is not there, or one lies in the other.
    """
    root = source.expanduser().resolve()
    into = home / (root.stem if root.is_file() else root.name)
    if into.resolve().is_relative_to(root) or root.is_relative_to(home.resolve()):
        raise BadInput(f"{source} and {into} lie in each other: name the folder of the agent's logs.")
    listing = list_logs(root)
    done = Copied(str(into), len(listing.logs), problems=list(listing.problems))
    for log in listing.logs:
        for file in _files(log):
            name = file.relative_to(root) if file != root else Path(root.name)
            try:
                changed = _copy(file, into / name)
            except OSError as error:
                done.problems.append({"file": name.as_posix(), "reason": f"not copied: {error.strerror}"})
                continue
            done.copied += changed
            done.unchanged += not changed
    return done


def _files(log: Log) -> Iterator[Path]:
    """The files of a session; the pointer to the newest state last, so that it never points ahead."""
    if log.path.is_file():
        yield log.path
        return
    found = [
        Path(above, name)
        for above, _, names in os.walk(log.path)
        for name in names
        if not name.endswith(PARTIAL)
    ]
    yield from sorted(found, key=lambda file: (file.name == "CURRENT", file))


def _copy(file: Path, target: Path) -> bool:
    there = file.stat()
    if target.is_file():
        here = target.stat()
        if (here.st_size, here.st_mtime_ns) == (there.st_size, there.st_mtime_ns):
            return False
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = target.with_name(target.name + PARTIAL)
    shutil.copyfile(file, partial, follow_symlinks=True)
    os.utime(partial, ns=(there.st_atime_ns, there.st_mtime_ns))
    partial.replace(target)
    return True
