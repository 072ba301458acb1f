"""JSON that was damaged: where the next whole record begins, and what was lost before it."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]

_DECODER = json.JSONDecoder()
_OPEN = re.compile(r'\{\s*"')
_MEMBER = re.compile(r'[\s,]*"((?:[^"\\]|\\.)*)"\s*:\s*')
_ESCAPED_BYTE = re.compile(r"[\udc80-\udcff]")  # what is left of a byte that is not UTF-8
_MOST_CANDIDATES = 10_000
_WORD = len("false")


@dataclass(frozen=True)
class Shape:
    """What a record looks like, and the keys that never hold such a one: what stands there was glued on."""

    fits: Callable[[Record], bool]
    leaves: Callable[[Record], frozenset[str]]


@dataclass(frozen=True)
class Found:
    """A whole record, and where it begins: its line, or its offset in the text."""

    place: int
    record: Record


@dataclass(frozen=True)
class Damage:
    """A place that cannot be read: what it looks like, and what is left of the text there."""

    place: int
    what: str
    fragment: str = ""
    nothing_lost: bool = False


@dataclass(frozen=True)
class Series:
    """How records follow each other: what comes after a whole one, at its place and amid damage."""

    after: re.Pattern[str]
    after_damage: re.Pattern[str]
    indent: str = ""  # what stands before each record where the text is laid out in lines


def decoded(text: str, at: int) -> tuple[Record | None, int]:
    """The object that begins there and its end; None where there is no whole object in UTF-8."""
    try:
        value, end = _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):
        return None, at
    if not isinstance(value, dict) or _ESCAPED_BYTE.search(text, at, end):
        return None, at
    return value, end


def pieces(text: str, at: int, shape: Shape, series: Series) -> tuple[Record | None, int, int]:
    """The record at this place or, where it is damaged, the next whole one; with its beginning and end."""
    value, end = decoded(text, at)
    if value is not None and series.after.match(text, end) and not _swallows(value, shape):
        return value, at, end
    for start, value, end in _candidates(text, at):
        if shape.fits(value) and series.after_damage.match(text, end):
            stands = _standing(text[at:start], shape.leaves(value))
            indented = _is_indented(text[at:start], series.indent)
            if stands == "glued" or (stands == "apart" and indented):
                return value, start, end
    return None, len(text), len(text)


def described(fragment: str, at_end: bool) -> str:
    """What a lost piece of text looks like, in words for a person."""
    if "\0" in fragment:
        return f"{fragment.count(chr(0))} NUL bytes in place of text"
    if _ESCAPED_BYTE.search(fragment):
        return "bytes that are not UTF-8"
    if not fragment.startswith("{"):
        return "something that is no record"
    return "a record that is cut off" if at_end else "a damaged record"


def holds_nothing(fragment: str) -> bool:
    """Whether no record can have been lost with this: a stray character, a line of plain text, a few NULs."""
    if len(fragment) == 1:
        return fragment != "{"
    if any(sign in fragment for sign in '{}"'):
        return False
    return "\0" not in fragment or len(fragment) < len('{"role":"user"}')


def _candidates(text: str, at: int) -> Iterator[tuple[int, Record, int]]:
    """Every whole object after the first character, those inside others too."""
    for number, match in enumerate(_OPEN.finditer(text, at + 1)):
        if number == _MOST_CANDIDATES:
            return
        value, end = decoded(text, match.start())
        if value is not None:
            yield match.start(), value, end


def _is_indented(before: str, indent: str) -> bool:
    """Whether this ends as the text before a record does, as far as NULs have left it."""
    last = before.rstrip()
    return before.endswith(indent) or (last.endswith("\0") and indent.endswith(before[len(last) :]))


def _swallows(record: Record, shape: Shape) -> bool:
    """Whether records lie where none can: it was cut off in a list, which the ones after it closed."""
    lists = [(key, value) for key, value in record.items() if isinstance(value, list)]
    inner = [(key, one) for key, value in lists for one in value if isinstance(one, dict)]
    return any(shape.fits(one) and key in shape.leaves(one) for key, one in inner)


def _standing(before: str, leaves: frozenset[str]) -> str:
    """How what comes next stands to the torn record before it: "nested" in it, "glued" to it, or "apart".

    It is nested where the torn one is sound JSON that waits for a value, unless that value stands under a key
    that never holds a record: then one record was cut off just there, and the next one glued to it.
    """
    if "{" not in before:
        return "glued"  # there is nothing that it could be nested in
    try:
        _DECODER.raw_decode(before)
    except json.JSONDecodeError as error:
        if error.pos >= len(before) and error.msg == "Expecting value":
            return "glued" if _outer_key(before) in leaves else "nested"
        # A string without an end is reported where it begins; half a word or escape shortly before the end.
        cut = error.msg.startswith("Unterminated string") or error.pos > len(before.rstrip()) - _WORD
        return "glued" if cut else "apart"
    except (ValueError, RecursionError):
        return "nested"
    return "apart"


def _outer_key(before: str) -> str | None:
    """The outermost key whose value is not complete."""
    at = 1
    while match := _MEMBER.match(before, at):
        try:
            _, at = _DECODER.raw_decode(before, match.end())
        except ValueError:
            return match[1]
    return None
