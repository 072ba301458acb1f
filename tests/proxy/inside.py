"""The proxy in a thread of the test, over any recall: as it is served, without starting a program.

    with inside(upstream.url, tmp_path, recall=lambda asked: found("memory")) as proxy:
        httpx.post(f"{proxy.url}/v1/chat/completions", json=...)
"""

from __future__ import annotations

import asyncio
import io
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
def inside(
    upstream: str, home: Path, recall: Recall = nothing, warm: Callable[[], None] = lambda: None, **wanted: Any
) -> Iterator[Inside]:
    log, asked, problems = io.StringIO(), [], []

    def recalling(question: Asked) -> Recalled:
        asked.append(question)
        return recall(question)

    remembering = Remembering(recalling, warm, lambda: list(problems), lambda text: text)
    chosen = Wanted(**{"host": "127.0.0.1", "port": 0, "upstream": upstream, "home": home, "log": log} | wanted)
    ready, end = threading.Event(), asyncio.Event()
    told: list[Any] = []

    async def serve() -> None:
        told.append(asyncio.get_running_loop())
        async with running(chosen, remembering) as address:
            told.append(address)
            ready.set()
            await end.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve())
        except BaseException as error:  # noqa: BLE001  # raised where the block begins
            told.append(error)
            ready.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(START_SECONDS)
    if isinstance(told[-1], BaseException):
        raise told[-1]
    loop, (host, port) = told
    try:
        yield Inside(f"http://{host}:{port}", port, log, asked, problems)
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(START_SECONDS)
        assert not thread.is_alive()
