"""Windows: the stretches of a long text that together show an embedding model every token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

OVERLAP = 32
Token = TypeVar("Token")


def spread(tokens: list[Token], size: int) -> Iterator[list[Token]]:
    """Evenly spread windows of at most `size` tokens, overlapping by OVERLAP or more; a short text is one."""
    if len(tokens) <= size:
        yield tokens
        return
    count = -(-(len(tokens) - OVERLAP) // (size - OVERLAP))
    stride = (len(tokens) - size) / (count - 1)
    for index in range(count):
        start = round(index * stride)
        yield tokens[start : start + size]
