"""The two questions of our own that the model server is asked: is it there, and how long is a prompt."""

from __future__ import annotations

import asyncio
import json

from proxy.answer import Broken
from proxy.body import Chat
from proxy.upstream import Upstream

COUNT_SECONDS = 0.3
THERE_SECONDS = 2.0
COUNTED = ("model", "messages", "tools", "chat_template", "chat_template_kwargs")
FAILED = (Broken, OSError, ValueError)


async def tokens(upstream: Upstream, chat: Chat) -> int | None:
    """The tokens of a request with its tools and template, as vLLM counts them in time; else None."""
    try:
        whole = chat.plain()
        asked = {name: whole[name] for name in COUNTED if name in whole}
        async with asyncio.timeout(COUNT_SECONDS):
            status, told = await _asked(upstream, "POST", "/tokenize", json.dumps(asked).encode())
        found = json.loads(told) if status == 200 else None
    except FAILED:
        return None
    count = found.get("count") if isinstance(found, dict) else None
    return count if isinstance(count, int) else None


async def _asked(upstream: Upstream, method: str, path: str, body: bytes) -> tuple[int, bytes]:
    headers = [(b"Content-Type", b"application/json"), (b"Content-Length", b"%d" % len(body))] if body else []
    answer = await upstream.ask(method, path, headers, body)
    try:
        return answer.status, await answer.everything()
    finally:
        answer.close()


async def unreachable(upstream: Upstream) -> str | None:
    """Why the server cannot be asked; None where it answers, whatever it says."""
    try:
        async with asyncio.timeout(THERE_SECONDS):
            await _asked(upstream, "GET", "/v1/models", b"")
    except FAILED as error:
        return f"nothing answers at {upstream.root}: {type(error).__name__}"
    return None
