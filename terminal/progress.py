"""A bar on standard error for whatever takes more than two seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE_SECONDS = 2.0
LINE_SECONDS = 10.0


class Bar:
    """Call it with (what, done, total); a context manager that leaves the line clean.

    On a terminal it is a bar with the time left, on a pipe one line of text every ten seconds.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._said = self._started
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, what: str, done: int, total: int, note: str = "") -> None:
        """Show how far `what` is and in `note` how it goes, once it has taken long enough."""
        now = time.monotonic()
        if now - self._started < PATIENCE_SECONDS:
            return
        if sys.stderr.isatty():
            self._draw(what, done, total, note)
        elif now - self._said >= LINE_SECONDS:
            self._said = now
            print(f"{what} {done}/{total} {note}".rstrip(), file=sys.stderr, flush=True)  # noqa: T201  # this is its place

    def _draw(self, what: str, done: int, total: int, note: str) -> None:
        if self._progress is None:
            self._progress = _bar()
            self._progress.start()
        for other, task in self._tasks.items():
            if other != what:
                self._progress.update(task, visible=False)
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        shown = f"{what} {note}".rstrip()
        task = self._tasks[what]
        self._progress.update(task, description=shown, completed=done, total=total, visible=True)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
