"""Requests of every kind at a steady rate, each of which knows how it has to end.

load = Load(upstream, proxy.url)
await load.run(seconds=30, rate=50, faults=False)
assert not load.wrong
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.proxy.upstream import Received, Reply, Script, chat, refused

CHAT = "/v1/chat/completions"
TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]
CALL = {"id": "1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
EVENTS = [("Content-Type", "text/event-stream")]
FIRST = b'data: {"choices": []}\n\n'
HANG_SECONDS = 1.5  # beyond the deadline of a recall, so that the server has the request by then

# What the scripted server does when a request asks for it by x-fault.
FAULTS = {
    "fails": refused(500),
    "is busy": refused(429, "busy", [("Retry-After", "1")]),
    "answers nothing": Reply(framing="raw"),
    "resets": Reply(framing="raw", cut="reset"),
    "hangs": Reply(hang=True),
    "cuts": Reply(headers=[("Content-Length", "90")], body=b"{", cut=True),
    "cuts a stream": Reply(headers=EVENTS, body=[FIRST, 0.05], framing="chunked", cut=True),
    "talks on": Reply(headers=EVENTS, body=[FIRST, 60.0], framing="chunked"),
    "talks slowly": Reply(headers=EVENTS, body=[FIRST, 0.2] * 5 + [b"data: [DONE]\n\n"], framing="chunked"),
}
ENDS = {"fails": "500", "is busy": "429", "answers nothing": "502", "resets": "502"}
ENDS |= {"hangs": "left", "cuts": "broken", "cuts a stream": "broken", "talks on": "left"}
SERVER_FAULTS = ["fails", "is busy", "answers nothing", "resets", "hangs", "cuts", "cuts a stream"]


@dataclass
class Served:
    """The script of the server behind the proxy, which counts."""

    chats: int = 0

    def __call__(self, received: Received) -> Reply | Script:
        self.chats += received.target == CHAT
        fault = received.header("x-fault")
        return FAULTS[fault] if fault else chat("Machine 7 is painted in colour code R00007.")


@dataclass
class Load:
    url: str
    sent: int = 0
    chats: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    async def run(self, seconds: float, rate: float, *, faults: bool = False) -> None:
        """So many requests a second, however long each takes; with `faults` every third meets one."""
        loop = asyncio.get_running_loop()
        end, due = loop.time() + seconds, loop.time()
        async with _session() as session, asyncio.TaskGroup() as group:
            while due < end:
                group.create_task(self._step(session, faults=faults and self.chance.random() < 0.33))
                due += 1 / rate
                await asyncio.sleep(max(due - loop.time(), 0))

    async def _step(self, session: aiohttp.ClientSession, *, faults: bool) -> None:
        kind = self.chance.random()
        if faults:
            await self._ask(session, self._turn(), self.chance.choice(SERVER_FAULTS))
        elif kind < 0.5:
            await self._conversation(session)
        elif kind < 0.75:
            await self._ask(session, self._turn(stream=True), "talks slowly" if kind < 0.55 else "")
        elif kind < 0.9:
            await self._ask(session, self._turn(stream=True), "talks on")
        else:
            await self._other(session, large=kind > 0.96)

    async def _conversation(self, session: aiohttp.ClientSession) -> None:
        """A turn and the round trip of a tool."""
        turn = self._turn(stream=self.chance.random() < 0.5)
        named = str(next(self.numbers))
        await self._ask(session, turn, "", named)
        turn["messages"] += [
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "1", "content": "R00007" * self.chance.randint(1, 200)},
        ]
        await self._ask(session, turn, "", named)

    def _turn(self, *, stream: bool = False) -> dict[str, Any]:
        number = next(self.numbers)
        text = f"Which colour code has machine {number % 300}? I ask for the {number}th time."
        return {
            "model": "m",
            "messages": [{"role": "user", "content": text}],
            "tools": TOOLS,
            "stream": stream,
        }

    async def _other(self, session: aiohttp.ClientSession, *, large: bool) -> None:
        if large:
            turn = self._turn() | {"padding": "x" * 300_000}
            await self._ask(session, turn, "")
            return
        self.sent += 1
        async with session.get(f"{self.url}/v1/models") as answer:
            await answer.read()
            self._ended("models", str(answer.status), "200")

    async def _ask(
        self, session: aiohttp.ClientSession, asked: dict[str, Any], fault: str, named: str = ""
    ) -> None:
        self.sent += 1
        self.chats += 1
        headers = {"x-affinity": named or str(next(self.numbers))} | ({"x-fault": fault} if fault else {})
        try:
            async with asyncio.timeout(HANG_SECONDS if fault == "hangs" else 60):
                ended = await self._end(session, asked, headers)
        except TimeoutError:
            ended = "left"
        except (aiohttp.ClientError, OSError) as error:
            ended = "broken" if isinstance(error, aiohttp.ClientPayloadError) else repr(error)
        self._ended(fault or "chat", ended, ENDS.get(fault, "200"))

    async def _end(
        self, session: aiohttp.ClientSession, asked: dict[str, Any], headers: dict[str, str]
    ) -> str:
        got = b""
        async with session.post(f"{self.url}{CHAT}", json=asked, headers=headers) as answer:
            self.statuses[answer.headers.get("x-rag-status", "?")] += 1
            async for piece in answer.content.iter_any():
                got += piece
                if headers.get("x-fault") == "talks on":
                    answer.close()  # hang up in the middle
                    return "left"
        if answer.status == 200 and asked["stream"]:
            return "200" if got.endswith(b"data: [DONE]\n\n") else "no end"
        with suppress(ValueError):
            return str(answer.status) if isinstance(json.loads(got), dict) else "no object"
        return "no JSON"

    def _ended(self, what: str, ended: str, expected: str) -> None:
        self.ended[f"{what}: {ended}"] += 1
        if ended != expected:
            self.wrong.append(f"{what}: {ended} instead of {expected}")


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, trust_env=False) as session:
        yield session
