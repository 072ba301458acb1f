"""The client on a terminal, as a person has it: only there does Vibe 3 ask the model for a title."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from tests.proxy.vibe.client import Client


def talk(client: Client, prompt: str, folder: Path, until: Callable[[], bool], seconds: float = 60) -> bool:
    """Run `vibe PROMPT` on a terminal until something is so; False where it is not in time."""
    ends = time.monotonic() + seconds
    with (
        _terminal() as terminal,
        subprocess.Popen(
            client.command("--trust", prompt),
            cwd=folder,
            env=client.environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        ) as process,
    ):
        try:
            while not until() and time.monotonic() < ends and process.poll() is None:
                time.sleep(0.05)
            return until()
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(5)
    except ProcessLookupError:
        pass
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def _terminal() -> Iterator[int]:
    """A terminal that somebody reads."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    reading = Thread(target=_read, args=(ours,))
    reading.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reading.join()
        os.close(ours)


def _read(terminal: int) -> None:
    try:
        while os.read(terminal, 65_536):
            pass
    except OSError:  # nobody has the other end any more
        pass
