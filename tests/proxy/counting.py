"""A model server that counts what it is sent, and the proxy before it.

with pair(tmp_path, bytes_a_token=4) as both:
    both.texts = ["what the memory holds"]
    answer, chats = both.through(body(user("Which port?"), max_tokens=100), "session")
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from proxy.budget import ANSWER_TOKENS
from tests.proxy.alike import CHAT, HEADERS, Prompt
from tests.proxy.caller import Answer, Caller
from tests.proxy.inside import found, inside
from tests.proxy.upstream import Received, Reply, Script, chat, refused

CONTEXT = 8192
IMAGE_TOKENS = 576
TOO_LONG = "This model's maximum context length is {} tokens. However, you requested {} tokens."
TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]


def rendered(asked: Any) -> str:
    """A prompt as a template would make it."""
    said = [json.dumps(asked.get("tools") or "", ensure_ascii=False)]
    for message in asked["messages"]:
        content = message.get("content") or ""
        parts: list[Any] = [{"text": content}] if isinstance(content, str) else content
        said += [f"<{message['role']}>", *(part.get("text", "") for part in parts)]
        said.append(json.dumps(message.get("tool_calls") or "", ensure_ascii=False))
    return "".join(said)


def images(asked: Any) -> int:
    contents = [message.get("content") for message in asked["messages"]]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return sum(part["type"] == "image_url" for part in parts)


@dataclass
class Counting(Prompt):
    """A model server that really counts: so many bytes are a token, and a template adds some."""

    bytes_a_token: int = 1
    template: int = 0
    tokenizes: bool = True
    context: int = CONTEXT
    refused: int = 0
    most: int = 0
    """The most tokens of prompt and answer that it ever accepted."""

    def __post_init__(self) -> None:
        self.script = self._answer

    def tokens(self, asked: Any) -> int:
        size = len(rendered(asked).encode())
        return -(-size // self.bytes_a_token) + self.template + IMAGE_TOKENS * images(asked)

    def _answer(self, received: Received) -> Reply | Script:
        if received.target == "/tokenize" and self.tokenizes:
            body = json.dumps({"count": self.tokens(received.json), "max_model_len": self.context})
            return Reply(headers=HEADERS, body=body.encode())
        if received.target != CHAT:
            return refused(404, "Not Found")
        asked = received.json
        # Without a limit the answer has what is left, and needs a token of it.
        wanted = self.tokens(asked) + (asked.get("max_completion_tokens") or asked.get("max_tokens") or 1)
        if wanted > self.context:
            self.refused += 1
            return refused(400, TOO_LONG.format(self.context, wanted))
        self.most = max(self.most, wanted)
        return chat("Hola.")


@dataclass
class Pair:
    """A counting server and the proxy before it."""

    upstream: Counting
    port: int
    asked: list[Any]
    texts: list[str] = field(default_factory=list)
    """What the memory holds for whoever asks."""
    seen: Counter[str] = field(default_factory=Counter)

    def direct(self, body: bytes) -> Answer:
        port = int(self.upstream.url.rsplit(":", 1)[1])
        with Caller(port) as caller:
            return caller.ask("POST", CHAT, HEADERS, body)

    def through(self, body: bytes, session: str) -> tuple[Answer, list[Received]]:
        """The answer, and the chat requests that the server got for it."""
        del self.upstream.requests[:]
        with Caller(self.port) as caller:
            answer = caller.ask("POST", CHAT, [*HEADERS, ("x-affinity", session)], body)
        chats = [received for received in self.upstream.requests if received.target == CHAT]
        self.seen[answer.header("x-rag-status")] += 1
        self.seen["resent"] += len(chats) - 1
        return answer, chats

    def counter(self, name: str) -> float:
        with Caller(self.port) as caller:
            lines = caller.ask("GET", "/metrics").body.decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


@contextmanager
def pair(home: Path, **how: Any) -> Iterator[Pair]:
    wanted = {name: how.pop(name) for name in ("context", "most_tokens") if name in how}
    own = {"context": CONTEXT, "most_tokens": 2000, "deadline_seconds": 20.0} | wanted
    with Counting(**how) as upstream:
        made = Pair(upstream, 0, [])
        with inside(upstream.url, home, lambda _: found(*made.texts), **own) as proxy:
            made.port, made.asked = proxy.port, proxy.asked
            yield made


def body(*messages: Any, ascii_only: bool = True, **more: Any) -> bytes:
    asked = {"model": "m", "messages": list(messages), "tools": TOOLS} | more
    return json.dumps(asked, ensure_ascii=ascii_only).encode()


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


CALL = {"id": "1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
FILLERS = ["x", "word ", "añé ", "日本", "🙂", '"\\\n']


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[list[Any]], list[str], dict[str, Any], bool]:
    """The requests of a conversation that comes near the context, what is remembered, how it is sent."""
    limit = draw(st.none() | st.integers(1, CONTEXT + 500))
    near = CONTEXT - (limit or ANSWER_TOKENS) + draw(st.integers(-1500, 600))
    turns = draw(st.integers(1, 4))
    messages: list[Any] = []
    requests: list[list[Any]] = []
    for number in range(turns):
        filler = draw(st.sampled_from(FILLERS))
        size = max(draw(st.integers(0, max(near, 1))) if draw(st.booleans()) else near // turns, 1)
        text = f"Turn {number}? " + filler * (size // len(filler.encode()))
        parts: list[Any] = [{"type": "text", "text": text}]
        if draw(st.integers(0, 5)) == 0:
            parts.append({"type": "image_url", "image_url": {"url": "https://x/1.png"}})
        messages.append(
            {"role": "user", "content": parts if draw(st.integers(0, 3)) == 0 or parts[1:] else text}
        )
        requests.append(list(messages))
        if draw(st.booleans()):
            messages += [
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "1", "content": filler * draw(st.integers(0, 400))},
            ]
            requests.append(list(messages))
        messages.append({"role": "assistant", "content": "Fine."})
    memories = draw(st.lists(st.sampled_from(FILLERS), max_size=5))
    texts = [f"{at} " + one * draw(st.integers(1, 1500)) for at, one in enumerate(memories)]
    name = draw(st.sampled_from(["max_tokens", "max_completion_tokens"]))
    more = ({name: limit} if limit else {}) | ({"stream": True} if draw(st.booleans()) else {})
    return requests, texts, more, draw(st.booleans())
