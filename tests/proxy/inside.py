"""The proxy in a thread of the test, over any recall: as it is served, without starting a program.

with inside(upstream.url, tmp_path, recall=lambda asked: found("memory")) as proxy:
    httpx.post(f"{proxy.url}/v1/chat/completions", json=...)
"""

from __future__ import annotations

import asyncio
import io
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from proxy.recalled import Asked, Recall, Recalled
from proxy.serve import Remembering, Wanted, running

START_SECONDS = 20


@dataclass
class Inside:
    url: str
    port: int
    log: io.StringIO
    asked: list[Asked]
    """What the recall was asked, in order."""
    problems: list[dict[str, str]]
    """What `/ready` tells of the memory."""


def found(*texts: str, query: str = "q") -> Recalled:
    """A recall's result whose memories are these texts, most relevant first."""
    ids = [f"id-{text[:40]}" for text in texts]
    candidates = [{"id": one, "score": 0.9, "relevance": 1.0, "time": None, "project": None} for one in ids]

    def render(count: int) -> str:
        return "\n\n<memory>\n" + "\n".join(texts[:count]) + "\n</memory>" if count else ""

    return Recalled(query, [one | {"kept": True} for one in candidates], ids, render)


def nothing(asked: Asked) -> Recalled:
    return Recalled(asked.question)


@contextmanager
def inside(  # noqa: PLR0913  # what the proxy is handed
    upstream: str,
    home: Path,
    recall: Recall = nothing,
    warm: Callable[[], None] = lambda: None,
    nothing: Callable[[str], bool] = lambda owner: False,
    *,
    lent: Callable[[], str | None] = lambda: None,
    **wanted: Any,
) -> Iterator[Inside]:
    proxy = Inside("", 0, io.StringIO(), [], [])

    def recalling(question: Asked) -> Recalled:
        proxy.asked.append(question)
        return recall(question)

    defaults = {"host": "127.0.0.1", "port": 0, "upstream": upstream, "home": home, "log": proxy.log}
    remembering = Remembering(
        recalling, warm, lambda: list(proxy.problems), lambda text: text, lambda: None, nothing, lent
    )
    served = _Served(Wanted(**defaults | wanted), remembering)
    proxy.url, proxy.port = served.begin()
    try:
        yield proxy
    finally:
        served.end()


class _Served:
    def __init__(self, wanted: Wanted, remembering: Remembering) -> None:
        self._wanted, self._remembering = wanted, remembering
        self._loop: asyncio.AbstractEventLoop
        self._end = asyncio.Event()
        self._outcome: queue.SimpleQueue[tuple[str, int] | BaseException] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self) -> tuple[str, int]:
        self._thread.start()
        outcome = self._outcome.get(timeout=START_SECONDS)
        if isinstance(outcome, BaseException):
            raise outcome
        host, port = outcome
        return f"http://{host}:{port}", port

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(START_SECONDS)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # raised where the block begins
            self._outcome.put(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with running(self._wanted, self._remembering) as address:
            self._outcome.put(address)
            await self._end.wait()
