"""What is delivered of a stretch that is too long: the place where the words stand that were asked for."""

from __future__ import annotations

import re
from collections.abc import Collection


def narrowed(text: str, start: int, end: int, longest: int, words: Collection[str] = ()) -> tuple[int, int]:
    """Of text[start:end] at most `longest` characters, in whole words, where most of some words stand."""
    if end - start <= longest:
        return start, end
    middle = _densest(text[start:end].lower(), words, longest)
    first = max(0, min(middle - longest // 2, end - start - longest))
    return _whole(text, start, end, start + first, start + first + longest)


def _densest(text: str, words: Collection[str], room: int) -> int:
    """The middle of the place where most words stand near each other; without any, of the beginning."""
    at = sorted({found.start() for word in words for found in re.finditer(re.escape(word), text)})
    if not at:
        return room // 2
    near = max(([one for one in at if 0 <= one - first < room] for first in at), key=len)
    return (near[0] + near[-1]) // 2


def _whole(text: str, start: int, end: int, first: int, last: int) -> tuple[int, int]:
    """The same without half a word at either end, where there are words."""
    if first > start and not text[first - 1].isspace():
        first = next((at for at in range(first, last) if text[at].isspace()), first)
    if last < end and not text[last].isspace():
        last = next((at for at in range(last, first, -1) if text[at - 1].isspace()), last)
    return first, last
