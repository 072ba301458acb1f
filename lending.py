"""Who has the GPU: the journal of a training that the model server makes room for, as everybody reads it.

There is none while the server has it. Of a training it says draining, stopped, training, restarting.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

JOURNAL = "gpu.json"
STATES = ("draining", "stopped", "training", "restarting")


class Damaged(Exception):
    """A journal that does not say whose the GPU is."""


@dataclass(frozen=True)
class Lent:
    """That a process took the GPU, when, and the containers that ran before and are to run again."""

    state: str
    containers: tuple[str, ...]
    since: str
    pid: int
    born: str

    @property
    def time(self) -> str:
        """When it began, as a clock here shows it; with the day where that is another one."""
        began = datetime.fromisoformat(self.since).astimezone()
        today = began.date() == datetime.now(began.tzinfo).date()
        return began.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")


def lock_of(journal: Path) -> Path:
    """The file that is locked as long as the process, or anything that it started, has the GPU."""
    return journal.with_suffix(".lock")


def read(journal: Path) -> Lent | None:
    """What the journal says; None where there is none.

    Raises:
        Damaged: nothing that we wrote. OSError: it cannot be read.
    """
    try:
        told = json.loads(journal.read_bytes())
        places = tuple(str(name) for name in told["containers"])
        found = Lent(told["state"], places, told["since"], told["pid"], told["born"])
        known = found.state in STATES and isinstance(found.pid, int) and isinstance(found.born, str)
        known = known and bool(found.time)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(str(error)) from error
    if not known:
        raise Damaged(f"no state of ours: {found.state}")
    return found


def told(journal: Path) -> str | None:
    """What to tell somebody who cannot reach the model server; None where no training is the reason."""
    try:
        lent = read(journal)
        if lent is None:
            return None
        if not (lives(lent.pid, lent.born) or _held(lock_of(journal))):
            back = "`python -m training recover` brings the model server back"
            return f"The training that began at {lent.time} was broken off: {back}."
    except (OSError, Damaged):
        return None
    if lent.state == "restarting":
        return f"The training that began at {lent.time} is over: the model server is starting again."
    return f"Training runs since {lent.time}: the model server comes back when it is done."


def birth(pid: int) -> str:
    """What tells a process from a later one with its number: the boot, and its tick of it; "" for none."""
    try:
        after_its_name = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    # Of a process that ended and was not yet asked how (Z, X) only the number is left.
    return "" if after_its_name[0] in "ZX" else f"{boot}:{after_its_name[19]}"


def lives(pid: int, born: str) -> bool:
    """Whether that very process still runs."""
    return born != "" and birth(pid) == born


def _held(lock: Path) -> bool:
    """Whether somebody has the lock; seen also where process numbers are others, as in a container."""
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
