"""Conversations as clients send them, and a recall that never gives the same twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import httpx

from proxy.recalled import Asked, Recalled
from tests.proxy.inside import found, inside, nothing

Message = Mapping[str, Any]
TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {}}}]
CALLED = {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "read", "arguments": "{}"}}]}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "é \u2028 ok"}
# What is given is asked here, not how fast.
serving = partial(inside, deadline_seconds=20)


def user(text: Any) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def body(*messages: Message, **more: Any) -> bytes:
    """A request whose messages come first, so that its bytes begin as those of the request before it."""
    said = ",".join(json.dumps(message, ensure_ascii=False) for message in messages)
    rest = json.dumps({"model": "m", "tools": TOOLS} | more)
    return f'{{"messages":[{said}],{rest[1:]}'.encode()


def beginning(sent: bytes) -> bytes:
    """The bytes of a request up to the end of its last message."""
    return sent[: sent.rindex(b'],"model"')]


def post(
    proxy: Any, *messages: Message, session: str | None = None, key: str | None = None, **more: Any
) -> httpx.Response:
    """A chat request of a session; beside `headers`, whatever else is given are fields of the body."""
    given = {"x-affinity": session, "Authorization": key and f"Bearer {key}"} | more.pop("headers", {})
    answer = httpx.post(
        f"{proxy.url}/v1/chat/completions",
        content=body(*messages, **more),
        headers={name: value for name, value in given.items() if value},
        trust_env=False,
        timeout=60,
    )
    assert answer.status_code in {200, 401}
    return answer


def status(answer: httpx.Response) -> tuple[str, int]:
    """What a request was given, and how many memories its prompt holds."""
    return answer.headers["x-rag-status"], int(answer.headers["x-rag-memories"])


@dataclass
class Telling:
    """A recall that tells something new each time; what the question says may keep it from that."""

    numbers: Iterator[int] = field(default_factory=count)

    def __call__(self, asked: Asked) -> Recalled:
        if "no disk" in asked.question:
            raise OSError("no disk")
        if "nothing" in asked.question:
            return nothing(asked)
        return found(f'memory "{next(self.numbers)}" \\ of é')
