"""What is delivered of a text that is too long: how it begins, and the stretch that matters."""

from __future__ import annotations

import re
from collections.abc import Collection

GAP = " […] "
OPENING_SHARE = 0.25


def excerpt(text: str, start: int, end: int, longest: int, words: Collection[str] = ()) -> str:
    """At most `longest` characters: the beginning, and of text[start:end] what holds most of some words."""
    if len(text) <= longest:
        return text
    opening = int(longest * OPENING_SHARE)
    room = longest - opening - 2 * len(GAP)
    middle = _densest(text.lower(), (start, end), words, room)
    first = max(0, min(middle - room // 2, len(text) - room))
    if first <= opening:
        return _until(text, longest - len(GAP)) + GAP.rstrip()
    tail = "" if first + room >= len(text) else GAP.rstrip()
    return _until(text, opening) + GAP + _from(text[first : first + room]) + tail


def _densest(text: str, within: tuple[int, int], words: Collection[str], room: int) -> int:
    """The middle of the place where most words stand near each other; without any, of the beginning."""
    start, end = within
    at = sorted({found.start() for word in words for found in re.finditer(re.escape(word), text[start:end])})
    if not at:
        return start + min(end - start, room) // 2
    near = max(([one for one in at if 0 <= one - first < room] for first in at), key=len)
    return start + (near[0] + near[-1]) // 2


def _until(text: str, length: int) -> str:
    """The beginning, ending with a whole word where there are words."""
    cut = text[:length]
    return cut.rsplit(maxsplit=1)[0] if text[length : length + 1].strip() and " " in cut else cut


def _from(text: str) -> str:
    """The text from its first whole word on."""
    _, space, rest = text.partition(" ")
    return rest if space else text
