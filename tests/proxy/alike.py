"""The same requests to the model server directly and through the proxy: the same answers, and what it added.

added = compared(upstream, proxy.port, count=20)
print(added)
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.proxy.caller import Answer, Caller
from tests.proxy.upstream import Upstream

REQUESTS = int(os.environ.get("FAULT_REQUESTS", "20"))
CHAT = "/v1/chat/completions"
HEADERS = [("Content-Type", "application/json")]
# What the proxy says where a server does not.
UNSAID = {b"date", b"server", b"cache-control", b"x-accel-buffering"}


class Prompt(Upstream):
    """A scripted upstream that sends each piece at once, so that milliseconds mean something."""

    async def _talk(self, line: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await super()._talk(line, writer)


@dataclass
class Added:
    """Milliseconds that each request took longer through the proxy than directly in the middle."""

    waited: list[float] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)

    def told(self, times: Iterable[float]) -> str:
        ordered = sorted(times)
        if not ordered:
            return "none"
        p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        return f"{len(ordered)} requests, added p50 {statistics.median(ordered):.2f} p99 {p99:.2f} ms"

    def __str__(self) -> str:
        return self.told(self.waited)


def body(number: int, question: str, stream: bool = False) -> bytes:
    messages = [{"role": "user", "content": question}]
    return json.dumps({"model": "m", "messages": messages, "seed": number, "stream": stream}).encode()


def said(answer: Answer) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """What a client is told, without what the proxy tells of itself."""
    kept = [
        (name, value)
        for name, value in answer.headers
        if name.lower() not in UNSAID and not name.lower().startswith(b"x-rag-")
    ]
    return answer.status, kept, answer.body


def compared(
    upstream: Upstream, port: int, question: Callable[[int], str] | str, count: int = REQUESTS
) -> Added:
    """Ask everything twice; whatever differs fails the test."""
    added = Added()
    direct_port = urlsplit(upstream.url).port
    assert direct_port
    with Caller(direct_port) as direct, Caller(port) as through:
        directly = []
        for number in range(count):
            asked = body(number, question if isinstance(question, str) else question(number), number % 4 == 3)
            began = time.perf_counter()
            expected = direct.ask("POST", CHAT, HEADERS, asked)
            middle = time.perf_counter()
            answer = through.ask("POST", CHAT, HEADERS, asked)
            added.waited.append((time.perf_counter() - middle) * 1000)
            directly.append((middle - began) * 1000)
            assert said(answer) == said(expected)
            assert upstream.requests[-1].body == upstream.requests[-2].body == asked
            added.statuses.append(answer.header("x-rag-status") or "")
            del upstream.requests[:]
    usual = statistics.median(directly)
    added.waited = [one - usual for one in added.waited]
    return added
