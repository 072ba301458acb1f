"""The objects of a JSON array, one by one, also where the array is cut off or damaged in the middle."""

import re
from collections.abc import Iterator

from loaders.vibe.salvage import Damage, Found, Series, Shape, described, holds_nothing, pieces

_SPACE = re.compile(r"\s*")
_BETWEEN = re.compile(r"[\s,]*")
_AFTER = re.compile(r"\s*(?:\Z|[,\]\0{]|.\s*[{\]])")
_AFTER_DAMAGE = re.compile(r"\s*(?:\Z|[,\]{])")


def elements(text: str, at: int, shape: Shape) -> Iterator[Found | Damage]:
    """The elements from behind the opening bracket on, each with its offset; a cut is the last damage."""
    indent = text[at : _end(_SPACE, text, at)]
    series = Series(_AFTER, _AFTER_DAMAGE, indent if "\n" in indent else "")
    while True:
        at = _end(_BETWEEN, text, at)
        if at >= len(text):
            yield Damage(at, "cut off between two records")
            return
        if text[at] == "]":
            return
        record, start, end = pieces(text, at, shape, series)
        if start > at:
            fragment = text[at:start].rstrip()
            yield Damage(at, described(fragment, start == len(text)), fragment, holds_nothing(fragment))
        if record is None:
            return
        yield Found(start, record)
        at = end


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
