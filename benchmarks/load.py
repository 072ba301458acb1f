"""A load generator that costs little: bare asyncio protocols on kept connections."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from benchmarks.words import question

LAST = b"\r\n0\r\n\r\n"
SENT = re.compile(rb'"content": ?"(\d+) "')
STATUS = re.compile(rb"\r\nx-rag-status: *(\w+)", re.IGNORECASE)
POOL = 500
RUN = 20  # a single one would mostly measure caches that the server before has emptied
PATIENCE_SECONDS = 60.0


@dataclass(slots=True)
class Answer:
    """Seconds until the first byte of the body, whether all came, how long its events were under way."""

    first: float = 0.0
    whole: bool = False
    status: str = ""
    delays: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Target:
    """Where a server listens, and header lines that its requests carry."""

    port: int
    headers: bytes = b""


@dataclass(frozen=True)
class Load:
    """What so many clients at once were answered, and in how many seconds."""

    answers: list[Answer]
    seconds: float

    @property
    def whole(self) -> list[Answer]:
        """The answers that came to their end."""
        return [answer for answer in self.answers if answer.whole]


class Questions:
    """Requests as an agent sends them, no two alike, so that each is really looked up."""

    def __init__(self, kilobytes: int) -> None:
        chance = random.Random(0)  # noqa: S311  # repeatable on purpose
        self._pool = [question(chance) for _ in range(POOL)]
        self._numbers = itertools.count()
        parameters = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
        tool = {"name": "read", "description": "Read a file.", "parameters": parameters}
        rules = "You are a coding agent. Use the tools; answer briefly. " * max(1, kilobytes * 1000 // 55)
        asked = [{"role": "system", "content": rules}, {"role": "user", "content": "@"}]
        body = {"model": "%", "stream": True, "messages": asked}
        body["tools"] = [{"type": "function", "function": tool}]
        self._before, _, self._after = json.dumps(body).encode().partition(b"@")

    def one(self, model: str, headers: bytes = b"") -> bytes:
        """The bytes of the next one."""
        number = next(self._numbers)
        asked = f"{self._pool[number % POOL]} {number}".encode()
        body = self._before.replace(b"%", model.encode(), 1) + asked + self._after
        return (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer none\r\n%bContent-Length: %d\r\n\r\n%b" % (headers, len(body), body)
        )

    def all(self, model: str, headers: bytes = b"") -> Iterator[bytes]:
        """One after the other, without end."""
        while True:
            yield self.one(model, headers)


class Line(asyncio.Protocol):
    """One kept connection."""

    def __init__(self, *, timing: bool) -> None:
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._end = b""
        self._done: asyncio.Future[Answer] | None = None
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way there."""
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; what comes back is measured from here."""
        self._head, self._answer, self._end = b"", Answer(), b""
        self._done = self._loop.create_future()
        self._began = time.perf_counter()
        self._transport.write(request)
        return self._done

    def data_received(self, data: bytes) -> None:
        """Note when the body began, and whether this ends it."""
        answer = self._answer
        if not answer.first:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0 or len(self._head) == end + 4:
                return
            answer.first = time.perf_counter() - self._began
            status = STATUS.search(self._head, 0, end)
            answer.status = status[1].decode() if status else ""
            data = self._head[end + 2 :]
            if self._head[9:12] != b"200":
                self.close()
                return
        if self._timing:
            now = time.monotonic_ns() // 1000
            answer.delays += [(now - int(sent)) / 1e6 for sent in SENT.findall(data)]
        self._end = data[-len(LAST) :] if len(data) >= len(LAST) else (self._end + data)[-len(LAST) :]
        if self._end == LAST:
            self._finish(whole=True)

    def connection_lost(self, _: Exception | None) -> None:
        """An answer that has not ended by now never will."""
        self.open = False
        self._finish(whole=False)

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    def _finish(self, *, whole: bool) -> None:
        if self._done is not None and not self._done.done():
            self._answer.whole = whole
            self._done.set_result(self._answer)


async def dial(port: int, *, timing: bool = False) -> Line:
    """A connection of its own."""
    loop = asyncio.get_running_loop()
    _, line = await loop.create_connection(lambda: Line(timing=timing), "127.0.0.1", port)
    return line


async def in_turn(
    targets: Mapping[str, Target], questions: Questions, seconds: float
) -> dict[str, list[Answer]]:
    """A few questions after each other to each, in an order that changes: noise hits all alike."""
    chance = random.Random(0)  # noqa: S311  # repeatable on purpose
    answers: dict[str, list[Answer]] = {name: [] for name in targets}
    lines = {name: await dial(target.port) for name, target in targets.items()}
    until = time.monotonic() + seconds
    while time.monotonic() < until or not all(answers.values()):
        for name in chance.sample(list(targets), len(targets)):
            for _ in range(RUN):
                if not lines[name].open:
                    lines[name] = await dial(targets[name].port)
                request = questions.one("instant", targets[name].headers)
                answers[name].append(await lines[name].ask(request))
    for line in lines.values():
        line.close()
    return answers


async def at_once(port: int, requests: Iterator[bytes], clients: int, seconds: float, spread: float) -> Load:
    """So many clients, each asking again when it was answered; they begin spread over some seconds."""
    answers: list[Answer] = []
    began = time.monotonic()

    async def client(number: int) -> None:
        await asyncio.sleep(spread * number / clients)
        line = await dial(port)
        while time.monotonic() < began + seconds:
            if not line.open:
                line = await dial(port)
            answers.append(await line.ask(next(requests)))
        line.close()

    async with asyncio.timeout(seconds + PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(client(number))
    return Load(answers, time.monotonic() - began)


def ms(seconds: Iterable[float], share: float) -> float | None:
    """Milliseconds that so large a share of them does not exceed."""
    ordered = sorted(seconds)
    return round(1000 * ordered[int(share * len(ordered))], 2) if ordered else None


async def crowd(port: int, requests: Iterator[bytes], clients: int) -> Load:
    """So many streams at the same time, one each, with how long every event was under way."""
    began = time.monotonic()

    async def client() -> Answer:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                line = await dial(port, timing=True)
                answer = await line.ask(next(requests))
        except OSError:
            return Answer()
        line.close()
        return answer

    answers = await asyncio.gather(*(client() for _ in range(clients)))
    return Load(answers, time.monotonic() - began)
