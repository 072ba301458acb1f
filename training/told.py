"""The signals that end a process, noted instead, so that what was begun is brought to its end first."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 3


class Told:
    """Which came. While `breaks` is set, one is raised as a KeyboardInterrupt, unless a child gets it."""

    def __init__(self) -> None:
        self.signals: list[int] = []
        self.breaks = False
        self._child: subprocess.Popen[bytes] | None = None

    def __call__(self, number: int, _: object) -> None:
        """A signal came."""
        self.signals.append(number)
        if self._child is not None:
            self._pass_on(number)
        elif self.breaks:
            self.breaks = False
            raise KeyboardInterrupt

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take the signals, but those that are ignored, as `nohup` has it; from another thread none comes."""
        before = {}
        try:
            with suppress(ValueError):
                for number in ENDING:
                    if signal.getsignal(number) is not signal.SIG_IGN:
                        before[number] = signal.signal(number, self)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def heeded(self) -> None:
        """Go no further where one came.

        Raises:
            KeyboardInterrupt: one did.
        """
        if self.signals:
            raise KeyboardInterrupt

    def outlive(self, child: subprocess.Popen[bytes]) -> int:
        """Hand signals on to a child, the leader of a session, to its end; then end what is left of that."""
        self._child = child
        try:
            if self.signals:  # between the look at them and now
                self._pass_on(self.signals[-1])
            os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        finally:
            self._child = None
            with suppress(ProcessLookupError):  # its number is still its own, since it was not yet waited for
                os.killpg(child.pid, signal.SIGKILL)
        return child.wait()

    def _pass_on(self, number: int) -> None:
        """The first signal as it is, and the second; who sends a third wants no more patience."""
        sent = signal.SIGTERM if number == signal.SIGHUP else signal.Signals(number)
        child = self._child
        if child is not None:
            with suppress(ProcessLookupError):
                if len(self.signals) < PATIENCE:
                    os.kill(child.pid, sent)
                else:
                    os.killpg(child.pid, signal.SIGKILL)
