"""The parent's end of `loaders.child`: a process asked a line at a time, which may die of the question."""

import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

_ROOT = Path(__file__).resolve().parent.parent
_MAX_ANSWER = 200 * 2**20  # no honest answer reaches it: 20 million characters of at most 6 bytes


class Process:
    """One child in a process group of its own, with nothing of our environment."""

    def __init__(self, *arguments: str) -> None:
        self._child = subprocess.Popen(
            [sys.executable, *(arguments or ("-m", "loaders.child"))],
            cwd=_ROOT,
            env={"PYTHONUTF8": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )
        self._questions = cast("IO[bytes]", self._child.stdin)
        self._answers = cast("IO[bytes]", self._child.stdout)

    @property
    def alive(self) -> bool:
        """Whether it can be asked at all."""
        return self._child.poll() is None

    def ask(self, line: bytes, seconds: float) -> bytes:
        """The line that answers; raises TimeoutError when it is late, EOFError when the child has died."""
        deadline = time.monotonic() + seconds
        answer = bytearray()
        with suppress(BrokenPipeError):  # the end of the answers then tells the same
            self._questions.write(line)
        with selectors.DefaultSelector() as readable:
            readable.register(self._answers, selectors.EVENT_READ)
            while not answer.endswith(b"\n"):
                if not readable.select(deadline - time.monotonic()):
                    raise TimeoutError
                piece = os.read(self._answers.fileno(), 2**20)
                if not piece or len(answer) > _MAX_ANSWER:
                    raise EOFError
                answer += piece
        return bytes(answer)

    def stop(self, seconds: float = 0) -> int:
        """End the child, by force when it has not ended by itself in so many seconds; its exit status."""
        self._questions.close()
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(seconds)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._answers.close()
        return self._child.wait()
