"""How much memory a prompt has room for, so that what fits without the proxy fits with it.

Text never has more tokens than bytes, so most requests need no counting; the server is asked to count only
where that bound is too coarse.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from proxy.body import Chat

ANSWER_TOKENS = 4096  # where the client names no limit
SPARE_TOKENS = 64  # what a template may add
MOST_TOKENS, MOST_SHARE = 4096, 0.1  # of one turn's block
ALL_SHARE = 0.25  # of all the blocks in one prompt
CHARACTERS_A_TOKEN = 3.0  # what agents write has more
# How a server refuses a prompt that is too long: by one of these, with one of these words.
REFUSED = frozenset({400, 413, 422})
TOO_LONG = (b"context", b"token", b"too long", b"too large", b"length", b"exceed", b"maximum")
PACKED = frozenset({"gzip", "x-gzip", "deflate"})
READ = 65_536
Count = Callable[[Chat], Awaitable[int | None]]


@dataclass(frozen=True)
class Budget:
    """The context of the model, and the most that a turn may be given, in tokens."""

    context: int
    most: int

    async def room(self, chat: Chat, size: int, wanted: int, count: Count) -> int:
        """Bytes that may be added to a request of `size` bytes; `wanted` are those that shall be.

        `count` gives the tokens of the request, or None where the server cannot say.
        """
        answer = chat.number("max_completion_tokens") or chat.number("max_tokens") or ANSWER_TOKENS
        free = self.context - answer - SPARE_TOKENS
        if free - size >= wanted or free < 0:
            return free - size
        tokens = await count(chat)
        return free - (size if tokens is None else tokens)

    def fits(self, block: str, room: int, earlier: int) -> bool:
        """Whether a block is within what a turn, a prompt and the model's context allow."""
        tokens = estimated(block)
        most = min(self.most, MOST_TOKENS, int(MOST_SHARE * self.context))
        return (
            tokens <= most
            and tokens + earlier / CHARACTERS_A_TOKEN <= ALL_SHARE * self.context
            and len(block.encode()) <= room
        )


def estimated(text: str) -> int:
    """About how many tokens a text has; rather too many than too few."""
    return round(len(text) / CHARACTERS_A_TOKEN)


def is_too_long(refusal: bytes, encoding: str) -> bool:
    """Whether the beginning of a refusal, packed or not, speaks of a prompt's length."""
    if encoding.strip().lower() in PACKED:
        with suppress(zlib.error):
            refusal = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(refusal, READ)
    return any(word in refusal.lower() for word in TOO_LONG)
