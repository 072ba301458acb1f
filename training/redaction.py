"""Rows without secrets: every text of a row alone, and all of them together.

Together, since a password that is told in one message stands bare in the next, where nothing gives it away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from loaders.vibe.messages import text_of
from training.mending import Message

if TYPE_CHECKING:
    from loaders.secrets.redactor import Redactor

# Hardly any rule reaches over it, and nobody writes it.
_BETWEEN = "\n\x1e\n"
# Texts that are remembered, and characters of the longest: copies of a session repeat its questions.
_REMEMBERED, _LONGEST = 5_000, 8_000


class Redaction:
    """The memory's redactor over rows; `count` is how many secrets it took out of them."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._known: dict[str, tuple[str, int]] = {}
        self.count = 0

    def text(self, text: str) -> tuple[str, int]:
        """One text as the memory has it, and how much was taken out of it."""
        known = self._known.get(text)
        if known is None:
            redacted = self._redactor.redact(text)
            known = redacted.text, redacted.count
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if len(text) <= _LONGEST:
                self._known[text] = known
        return known

    def messages(self, messages: Sequence[Message]) -> list[Message]:
        """The messages of a row; a call that is none without its secret is left out, but not its result."""
        told = [self._unescaped(message) for message in messages]
        texts = iter(self._together([text for message in told for text in _texts(message)]))
        return [_with(message, texts) for message in told]

    def within(self, value: Any) -> Any:
        """JSON with its strings redacted one by one, as they are without JSON's escapes."""
        if isinstance(value, str):
            return self._alone(text_of(value))
        if isinstance(value, list):
            return [self.within(one) for one in value]
        if isinstance(value, dict):
            return {self._alone(text_of(key)): self.within(one) for key, one in value.items()}
        return value

    def _unescaped(self, message: Message) -> Message:
        calls = []
        for call in message.get("tool_calls", ()):
            function = call["function"]
            arguments = json.dumps(self.within(json.loads(function["arguments"])), ensure_ascii=False)
            calls.append(call | {"function": function | {"arguments": arguments}})
        return message | ({"tool_calls": calls} if calls else {})

    def _together(self, texts: Sequence[str]) -> list[str]:
        joint = self._redactor.redact(_BETWEEN.join(texts))
        told = joint.text.split(_BETWEEN)
        if len(told) == len(texts):
            self.count += joint.count
        else:  # what begins as a key in one text seems to end in another
            told = list(texts)
        return [self._alone(text) for text in told]

    def _alone(self, text: str) -> str:
        redacted, count = self.text(text)
        self.count += count
        return redacted


def _texts(message: Message) -> Iterator[str]:
    yield message["content"]
    for call in message.get("tool_calls", ()):
        yield call["function"]["name"]
        yield call["function"]["arguments"]


def _with(message: Message, texts: Iterator[str]) -> Message:
    """The message with other texts; a call whose arguments are no JSON any more is left out."""
    told = message | {"content": next(texts)}
    calls = []
    for call in told.pop("tool_calls", ()):
        function = {"name": next(texts), "arguments": next(texts)}
        if _is_json(function["arguments"]):
            calls.append(call | {"function": function})
    return told | ({"tool_calls": calls} if calls else {})


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
