"""A stand-in for a model server that is faster than whatever is put before it.

python -m benchmarks.instant     prints its port and serves until its standard input ends

A bare asyncio protocol: no router, no object a request. The model that the body names decides how it answers:
`instant` sends all events in one write, the names in PACES one by one. The text of an event that is sent by
itself is the microsecond in which it was sent, so that whoever reads it knows how long it was under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

ROOT = Path(__file__).resolve().parent.parent
EVENTS = 20
BACKLOG = 4096  # a thousand clients may come at once
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
MODEL = re.compile(rb'"model": ?"([a-z]+)"')
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n"
STREAM = HEAD % b"text/event-stream" + b"Transfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


@dataclass(frozen=True)
class Pace:
    """Seconds until the first event, seconds between events, how many of them."""

    first: float
    each: float
    events: int

    @property
    def seconds(self) -> float:
        """How long an answer takes."""
        return self.first + self.each * self.events


PACES = {"paced": Pace(0.05, 0.01, EVENTS), "crowd": Pace(0.05, 0.1, 30)}


def event(content: str, finish_reason: str | None = None) -> bytes:
    """One event of a stream, as a chunk of HTTP."""
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}
    said = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return _chunk(b"data: %b\n\n" % json.dumps(said).encode())


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


DONE = event("", "stop") + _chunk(b"data: [DONE]\n\n") + LAST
INSTANT = STREAM + b"".join(event(f"word {number} ") for number in range(EVENTS)) + DONE
MODELS = json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in PACES]}).encode()
LISTED = HEAD % b"application/json" + b"Content-Length: %d\r\n\r\n" % len(MODELS) + MODELS
BEFORE, _, AFTER = event("@").partition(b"\r\n")[2].partition(b"@")


class Upstream(asyncio.Protocol):
    """One connection; whoever is on it waits for an answer before asking again."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked = b""
        self._next: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        """Say nothing more."""
        if self._next is not None:
            self._next.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._asked += data
        if not _whole(self._asked):
            return
        asked, self._asked = self._asked, b""
        if asked.startswith(b"GET"):
            self._transport.write(LISTED)
            return
        model = MODEL.search(asked)
        pace = PACES.get(model[1].decode()) if model else None
        if pace is None:
            self._transport.write(INSTANT)
            return
        self._transport.write(STREAM)
        due = self._loop.time() + pace.first
        self._next = self._loop.call_at(due, self._say, pace, pace.events, due)

    def _say(self, pace: Pace, left: int, due: float) -> None:
        content = b"%d " % (time.monotonic_ns() // 1000)
        size = len(BEFORE) + len(content) + len(AFTER) - 2
        self._transport.write(b"%x\r\n%b%b%b" % (size, BEFORE, content, AFTER))
        due += pace.each
        self._next = self._loop.call_at(
            due, *((self._say, pace, left - 1, due) if left > 1 else (self._end,))
        )

    def _end(self) -> None:
        self._transport.write(DONE)


def _whole(asked: bytes) -> bool:
    end = asked.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = LENGTH.search(asked, 0, end)
    if length is None:  # a GET, or a body in chunks
        return asked.startswith(b"GET") or asked.endswith(LAST)
    return len(asked) >= end + 4 + int(length[1])


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """Yield the port of one in a process of its own; it ends with the block, or with this process."""
    words = [sys.executable, "-m", "benchmarks.instant"]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield int(cast(IO[bytes], process.stdout).readline())
        finally:
            process.kill()


def loop_factory() -> asyncio.AbstractEventLoop:
    """The fastest event loop that is there."""
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve())
