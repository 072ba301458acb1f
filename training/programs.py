"""Programs that are not ours, `docker` and `nvidia-smi`: asked with a limit, since either may hang."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from errors import PartMissing

LONGEST = 2**20
FREE_SHARE = 0.1
PR_SET_PDEATHSIG = 1
MEMORY = ("nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Limits:
    """How long each step may take, in seconds."""

    look: float = 20
    drain: float = 60
    """For answers under way, before the server is told to end."""
    stop: int = 60
    """For the server's own end, before docker kills it."""
    slack: float = 30
    """For docker itself, beyond that."""
    start: float = 120
    up: float = 30
    healthy: float = 900
    """For a model to be loaded."""
    free: float = 30
    """For the memory of the GPU to be given back."""
    left: float = 150
    """For what a killed training left behind: a docker command, or a step with its checkpoint."""
    pause: float = 1


class NoAnswer(PartMissing):
    """A program that was given up: what it was told to do may still happen."""


def asked(words: Sequence[str], seconds: float, kept: Sequence[int] = ()) -> str:
    """What a program says; it is ended with all that it started when its time is up.

    Raises:
        NoAnswer: then. PartMissing: it cannot be started, or fails.
    """
    said = " ".join(words)
    # Files, since a pipe ends only with the last of its writers, and in memory, since the disk may be full.
    # A session of its own, since a Ctrl-C is meant for us.
    with _in_memory() as out, _in_memory() as err:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=kept,
                start_new_session=True,
                preexec_fn=ending_with_us(signal.SIGKILL),  # noqa: PLW1509  # it calls the system only
            )
        except OSError as error:
            raise PartMissing(f"`{said}` cannot be started: {error.strerror}.") from error
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise NoAnswer(f"`{said}` did not end within {seconds:.0f} s.") from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if status:
            raise PartMissing(f"`{said}` failed: {_first_line(_text(err)) or f'exit status {status}'}.")
        return _text(out)


def ending_with_us(number: signal.Signals) -> Callable[[], None]:
    """For a child, before its program begins: let it get this signal when we die, however that is."""
    system, parent = ctypes.CDLL(None), os.getpid()

    def prepare() -> None:
        system.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def occupied(limits: Limits) -> str | None:
    """Why no GPU is free, once it had time to become so; None where one is, or where none can be asked."""
    if shutil.which("nvidia-smi") is None:
        return None
    until = time.monotonic() + limits.free
    while True:
        try:
            gpus = [_memory(line) for line in asked(MEMORY, limits.look).splitlines() if line.strip()]
        except (PartMissing, ValueError):
            return None  # its driver is out of order, or shares memory with the processor: training will tell
        if not gpus or any(used <= FREE_SHARE * total for used, total in gpus):
            return None
        if time.monotonic() > until:
            held = ", ".join(f"{used / 1024:.1f} of {total / 1024:.1f} GB" for used, total in gpus)
            return f"The GPU is not free ({held} in use): end what `nvidia-smi` shows, then try again."
        time.sleep(limits.pause)


def _memory(line: str) -> tuple[float, float]:
    """Used and all, in MiB."""
    used, total = line.split(",")
    return float(used), float(total)


def _in_memory() -> IO[bytes]:
    return os.fdopen(os.memfd_create("said"), "w+b")


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(LONGEST).decode("utf-8", "replace")


def _first_line(text: str) -> str:
    return next((line.strip().rstrip(".") for line in text.splitlines() if line.strip()), "")
