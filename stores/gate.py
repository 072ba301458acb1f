"""Many may use a thing at once, or one alone may replace it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Whoever wants to be alone waits for those who are using it, and holds back those who come."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._users = 0
        self._taken = False

    @contextmanager
    def using(self) -> Iterator[None]:
        """Be one of many."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken)
            self._users += 1
        try:
            yield
        finally:
            with self._changed:
                self._users -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken)
            self._taken = True
            self._changed.wait_for(lambda: self._users == 0)
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()
