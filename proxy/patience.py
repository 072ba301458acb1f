"""Asking something that may be slow, hang or fail, without ever waiting long for it.

After some failures in a row nobody waits at all: now and then one question is put in the background, and
when it is answered in time, everybody asks again.
"""

from __future__ import annotations

import asyncio
import math
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

THREADS = 2
# Where all threads are held up by something that hangs, others are started to see whether it still does.
MOST_THREADS = 8
# Questions that may wait for a thread; beyond them the memory is too slow to be asked.
WAITING = 16
FAILURES = 3
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 30.0


class TooSlow(Exception):
    """No answer within the deadline, or none to be expected."""


@dataclass
class _Put:
    """A call, when it came, and when a thread took it up."""

    call: Callable[[], Any]
    came: float = field(default_factory=time.monotonic)
    begun: float = math.inf

    def seconds(self) -> float:
        """How long it has been carried out; before that nothing."""
        return max(0.0, time.monotonic() - self.begun)


class Patience:
    """Blocking calls on daemon threads, under a deadline, behind a breaker."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._failures = 0
        self.failure = ""
        """Why there was no answer the last time that there was none."""
        self._pause = FIRST_PAUSE_SECONDS
        self._again = self._moved = 0.0
        self._probing = False
        self._counting = threading.Lock()
        self._threads = self._busy = 0
        for _ in range(THREADS):
            self._start()

    @property
    def open(self) -> bool:
        """Whether nobody waits at present."""
        return self._failures >= FAILURES

    async def ask(self, call: Callable[[], Any]) -> Any:
        """The result of a call.

        Raises:
            TooSlow: it did not come in time, or the breaker is open.
            Exception: whatever the call raised.
        """
        if self.open:
            self._probe(call)
            raise TooSlow("the memory did not answer before; it is asked again in the background")
        return await self._timed(call, self._seconds)

    async def unhurried(self, call: Callable[[], None]) -> None:
        """Run a call on one of the threads without a deadline; what it raises is met again later."""
        with suppress(Exception):
            await self._put(_Put(call))

    async def _timed(self, call: Callable[[], Any], seconds: float) -> Any:
        put = _Put(call)
        try:
            async with asyncio.timeout(seconds):
                result = await self._put(put)
        except TimeoutError:
            if put.seconds() < seconds / 2 and self._moved > put.came:
                raise TooSlow("too many questions came at once for the memory") from None
            self._failed(f"the memory did not answer within {seconds * 1000:.0f} ms")
            raise TooSlow(self.failure) from None
        except TooSlow:  # a crowd is no fault of the memory
            raise
        except Exception as error:
            self._failed(str(error) or type(error).__name__)
            raise
        self._failures, self._pause = 0, FIRST_PAUSE_SECONDS
        return result

    def _failed(self, why: str) -> None:
        self._failures += 1
        self.failure = why
        if self._failures == FAILURES:
            self._again = time.monotonic() + self._pause

    def _probe(self, call: Callable[[], Any]) -> None:
        """When it is time, ask once while nobody waits for it."""
        if self._probing or time.monotonic() < self._again:
            return
        self._probing = True
        if self._busy == self._threads < MOST_THREADS:
            self._start()
        task = asyncio.ensure_future(self._timed(call, self._seconds))
        task.add_done_callback(self._probed)

    def _probed(self, task: asyncio.Future[Any]) -> None:
        self._probing = False
        if not task.cancelled() and task.exception() is not None:
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            self._again = time.monotonic() + self._pause

    def _put(self, put: _Put) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def work() -> None:
            if future.cancelled():  # nobody waits for it any more
                return
            put.begun = time.monotonic()
            outcome = _outcome(put.call)
            self._moved = time.monotonic()
            _tell(loop, lambda: future.done() or outcome(future))

        if self._work.qsize() >= WAITING:
            raise TooSlow("too many questions wait for the memory")
        self._work.put(work)
        return future

    def _start(self) -> None:
        with self._counting:
            self._threads += 1
        threading.Thread(target=self._toil, daemon=True).start()

    def _toil(self) -> None:
        while True:
            work = self._work.get()
            with self._counting:
                self._busy += 1
            work()
            with self._counting:
                self._busy -= 1
                if self._threads - self._busy > THREADS:  # those that were held up are back
                    self._threads -= 1
                    return


def _outcome(call: Callable[[], Any]) -> Callable[[asyncio.Future[Any]], None]:
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001  # it is raised where it is waited for
        failure = _plain(error)
        return lambda future: future.set_exception(failure)
    return lambda future: future.set_result(result)


def _plain(error: BaseException) -> Exception:
    """What may be raised on an event loop: a panic of an engine, say, would end the whole server."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _tell(loop: asyncio.AbstractEventLoop, step: Callable[[], Any]) -> None:
    try:
        loop.call_soon_threadsafe(step)
    except RuntimeError:  # the loop has ended meanwhile
        return
