"""The two questions of our own that the model server is asked: is it there, and how long is a prompt."""

from __future__ import annotations

import asyncio

import aiohttp

from proxy.body import Chat
from proxy.relay import Relay

COUNT_SECONDS = 0.3
THERE_SECONDS = 2.0
COUNTED = ("model", "messages", "tools", "chat_template", "chat_template_kwargs")
FAILED = (aiohttp.ClientError, TimeoutError, OSError, ValueError)


async def tokens(relay: Relay, chat: Chat) -> int | None:
    """The tokens of a request with its tools and template, as vLLM counts them in time; else None."""
    try:
        whole = chat.plain()
        asked = {name: whole[name] for name in COUNTED if name in whole}
        async with asyncio.timeout(COUNT_SECONDS):
            async with relay.open().post(relay.url("/tokenize"), json=asked) as answer:
                found = await answer.json(content_type=None) if answer.status == 200 else None
    except FAILED:
        return None
    count = found.get("count") if isinstance(found, dict) else None
    return count if isinstance(count, int) else None


async def unreachable(relay: Relay) -> str | None:
    """Why the server cannot be asked; None where it answers, whatever it says."""
    try:
        async with asyncio.timeout(THERE_SECONDS), relay.open().get(relay.url("/v1/models")) as answer:
            await answer.read()
    except FAILED as error:
        return f"nothing answers at {relay.root}: {type(error).__name__}"
    return None
