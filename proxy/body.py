"""The body of a chat request as text with places: what is added goes between bytes that stay as they are.

Nothing is serialised anew, so unknown fields, big numbers, duplicate keys and escapes survive untouched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

BLANK = re.compile(r"[ \t\n\r]*")
NUMBER = re.compile(r"\d{1,12}")
Message = Mapping[str, Any]


class Number(str):
    """A number of any size as it was written."""


DECODER = json.JSONDecoder(parse_int=Number, parse_float=Number)


class Place(NamedTuple):
    """A JSON value, and where it begins and ends in the text."""

    value: Any
    start: int
    end: int


class Chat:
    """A chat request: `messages` as they were sent, other fields by name, numbers as text."""

    def __init__(self, body: bytes) -> None:
        """Take a request apart.

        Raises:
            ValueError: not a JSON object in UTF-8 with a list of messages; it is the server's to refuse.
        """
        self._text = body.decode()
        try:
            self._fields, end = _object(self._text, _skip(self._text, 0), _top)
            rest = BLANK.fullmatch(self._text, end)
        except (RecursionError, IndexError) as error:
            raise ValueError("no whole JSON object") from error
        listed = self._fields.get("messages")
        if rest is None or listed is None or not isinstance(listed.value, list):
            raise ValueError("no list of messages")
        self._places: list[Place] = listed.value
        self.messages: list[Message] = [place.value for place in self._places]
        if not all(isinstance(message, dict) for message in self.messages):
            raise ValueError("a message is no object")
        for place in self._places:
            if isinstance(place.value.get("content"), Number):
                place.value["content"] = None  # it asks nothing, and nothing can be added to it

    def field(self, name: str) -> Any:
        """A field of the request beside its messages; None where it is absent."""
        found = self._fields.get(name)
        return found.value if found else None

    def plain(self) -> dict[str, Any]:
        """The whole request as Python's own values, for whoever has to send it elsewhere."""
        return dict(json.loads(self._text))

    def number(self, name: str) -> int | None:
        """A field that is a whole number."""
        value = self.field(name)
        return int(value) if isinstance(value, Number) and NUMBER.fullmatch(value) else None

    def with_blocks(self, blocks: Mapping[int, str]) -> bytes:
        """The request with a text at the end of some messages' content; all other bytes are the same."""
        pieces, done = [], 0
        for index in sorted(blocks):
            at, insertion = self._insertion(index, blocks[index])
            pieces += [self._text[done:at], insertion]
            done = at
        return "".join([*pieces, self._text[done:]]).encode()

    def _insertion(self, index: int, block: str) -> tuple[int, str]:
        """Where a block goes into a message, and the JSON that says it."""
        message, _ = _object(self._text, self._places[index].start, _any)
        content = message["content"]
        quoted = json.dumps(block, ensure_ascii=False)
        if isinstance(content.value, str):
            return content.end - 1, quoted[1:-1]
        comma = "," if content.value else ""
        return content.end - 1, f'{comma}{{"type":"text","text":{quoted}}}'


def _any(text: str, at: int, _: str) -> tuple[Any, int]:
    return DECODER.raw_decode(text, at)


def _top(text: str, at: int, key: str) -> tuple[Any, int]:
    return _list(text, at) if key == "messages" and text[at] == "[" else DECODER.raw_decode(text, at)


def _object(
    text: str, at: int, read: Callable[[str, int, str], tuple[Any, int]]
) -> tuple[dict[str, Place], int]:
    """The members of the object at a place (of a repeated key the last), and where it ends."""
    if text[at] != "{":
        raise ValueError("no object")
    found: dict[str, Place] = {}
    at = _skip(text, at + 1)
    while text[at] != "}" or found:
        if text[at] != '"':
            raise ValueError("no key")
        key, at = DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at] != ":":
            raise ValueError("no value")
        start = _skip(text, at + 1)
        value, end = read(text, start, key)
        found[key] = Place(value, start, end)
        at, more = _next(text, end, "}")
        if not more:
            return found, at
    return found, at + 1


def _list(text: str, at: int) -> tuple[list[Place], int]:
    """The elements of the list at a place, and where it ends."""
    found: list[Place] = []
    at = _skip(text, at + 1)
    while text[at] != "]" or found:
        value, end = DECODER.raw_decode(text, at)
        found.append(Place(value, at, end))
        at, more = _next(text, end, "]")
        if not more:
            return found, at
    return found, at + 1


def _next(text: str, at: int, closing: str) -> tuple[int, bool]:
    """After a value: the place of the next one, or the end of what holds it."""
    at = _skip(text, at)
    if text[at] == ",":
        return _skip(text, at + 1), True
    if text[at] != closing:
        raise ValueError("no end")
    return at + 1, False


def _skip(text: str, at: int) -> int:
    if text[at : at + 1] > " ":  # mostly there is none
        return at
    found = BLANK.match(text, at)
    return found.end() if found else at
