"""JSON lines, read as a stream: every whole record is kept, also beside, behind and on the line of damage."""

import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from loaders.vibe.salvage import Damage, Found, Record, Series, Shape, described, holds_nothing, pieces

_LONGEST = 64 * 2**20  # no message is as long; a file of NULs is one endless line
_SPACE = re.compile(r"\s*")
_SERIES = Series(
    # Behind a record: the end, the next one, NULs, or one stray character in the place of the newline.
    after=re.compile(r"\s*(?:\Z|[{\0]|.\s*(?:\Z|\{))"),
    after_damage=re.compile(r"\s*(?:\Z|[{\0])"),
)


def read_lines(file: BinaryIO, shape: Shape, longest: int = _LONGEST) -> Iterator[Found | Damage]:
    """The records and the damaged places of an open file, in order, each with its line number."""
    for number, line in _lines(file, longest):
        if line is None:
            yield Damage(number, f"a line of more than {longest // 2**20} MB")
        elif line.strip():
            record = _whole(line)
            yield from _salvaged(number, line, shape) if record is None else [Found(number, record)]


def _lines(file: BinaryIO, longest: int) -> Iterator[tuple[int, bytes | None]]:
    number = 0
    while line := file.readline(longest):
        number += 1
        if len(line) < longest or line.endswith(b"\n"):
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            continue
        while (rest := file.readline(longest)) and not rest.endswith(b"\n"):
            pass
        yield number, None


def _whole(line: bytes) -> Record | None:
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _salvaged(number: int, line: bytes, shape: Shape) -> Iterator[Found | Damage]:
    found = list(_pieces(number, line.decode("utf-8", "surrogateescape"), shape))
    if all(isinstance(piece, Found) for piece in found):
        yield Damage(number, f"{len(found)} records on one line", nothing_lost=True)
    yield from found


def _pieces(number: int, text: str, shape: Shape) -> Iterator[Found | Damage]:
    ended = text.endswith("\n")
    text = text.rstrip()
    at = _next(text, 0)
    while at < len(text):
        record, start, end = pieces(text, at, shape, _SERIES)
        if start > at:
            fragment = text[at:start].rstrip()
            what = described(fragment, start == len(text) and not ended)
            yield Damage(number, what, fragment, holds_nothing(fragment))
        if record is not None:
            yield Found(number, record)
        at = _next(text, end)


def _next(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
