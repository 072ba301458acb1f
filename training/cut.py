"""Rows that are too long, made to fit without losing what they end in.

A trainer that cuts by itself keeps the beginning: of a long session that is the system prompt and no answer.
Here the system prompt, the last question and the last answer stay. What goes, as far as there is need: the
middle of long tool results, then the oldest turns, then the oldest steps of the last turn; a call always
together with its results.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain
from typing import Literal

from training.conversation import Unfit, plain_call, steps
from training.render import Renderer, Sample
from training.row import Message, Row, turns

# The share of all tokens that a tool result keeps before whole turns go.
RESULT_SHARE = 8
MARKER = "\n[… {left_out:,} tokens of this result left out …]\n"
# More than the marker takes.
MARKER_TOKENS = 24


@dataclass(frozen=True)
class Cut:
    """What became of a row; `reason` says why it is shorter or gone, the same for all rows of its kind."""

    outcome: Literal["kept", "trimmed", "dropped"]
    reason: str = ""
    row: Row | None = None
    sample: Sample | None = None


def cut(row: Row, most_tokens: int, renderer: Renderer) -> Cut:
    """A row with its sample of at most `most_tokens` tokens, or the reason why there is none."""
    ended = replace(row, messages=_up_to_the_last_answer(row.messages))
    try:
        sample = renderer.sample(ended)
        if len(sample.ids) > most_tokens:
            return _Shears(ended, most_tokens, renderer).cut()
    except Unfit as unfit:
        return Cut("dropped", str(unfit))
    if len(ended.messages) < len(row.messages):
        return Cut("trimmed", "what follows the last answer left out", ended, sample)
    return Cut("kept", "", row, sample)


def _up_to_the_last_answer(messages: Sequence[Message]) -> Sequence[Message]:
    last = max((at for at, message in enumerate(messages) if message["role"] == "assistant"), default=-1)
    return messages[: last + 1]


@dataclass
class _Shears:
    """A row taken apart: `older` turns, then `steps` may go; `head`, `asked` and `end` stay."""

    row: Row
    most_tokens: int
    renderer: Renderer
    head: Sequence[Message] = field(init=False)
    older: list[Sequence[Message]] = field(init=False)
    asked: Sequence[Message] = field(init=False)
    steps: list[Sequence[Message]] = field(init=False)
    end: Sequence[Message] = field(init=False)
    places: dict[int, list[tuple[int, int]]] = field(init=False)

    def __post_init__(self) -> None:
        messages = self.row.messages
        self.head, rest = _split(messages, {"system"})
        *self.older, last = turns(rest)
        self.asked, answered = _split(last, {"system", "user", "tool"})
        *self.steps, self.end = steps(answered)
        found = self.renderer.places([_told(message) for message in messages])
        self.places = {id(message): places for message, places in zip(messages, found, strict=True)}

    @property
    def floor(self) -> int:
        """Tokens that every tool result may keep."""
        return max(self.most_tokens // RESULT_SHARE, 2 * MARKER_TOKENS)

    def cut(self) -> Cut:
        """The row with no more gone than has to."""
        units = [*self.older, *self.steps]
        barest = self._sample(len(units), self.floor)
        if len(barest.ids) > self.most_tokens:
            return Cut("dropped", "too long even when cut")
        # With fewer gone than that it cannot fit, so that no candidate is much longer than what fits.
        least = [sum(map(self._least, unit)) for unit in reversed(units)]
        room = self.most_tokens - len(barest.ids)
        fewest = len(units) - sum(tokens <= room for tokens in accumulate(least))
        tried = range(fewest, len(units))
        gone = fewest + bisect_left(tried, True, key=lambda gone: self._fits(self._sample(gone, self.floor)))
        return self._widened(gone)

    def _widened(self, gone: int) -> Cut:
        """What is left without `gone` units, the tool results in it as long as there is room for them."""
        sample = self._sample(gone, self.floor)
        results = [len(self.places[id(one)]) for one in self._left(gone) if one["role"] == "tool"]
        longest = _level(sorted(results), self.floor, self.most_tokens - len(sample.ids))
        while longest > self.floor:
            wider = self._sample(gone, longest)
            if self._fits(wider):
                sample = wider
                break
            longest -= len(wider.ids) - self.most_tokens
        longest = max(longest, self.floor)
        done = {
            "long tool results shortened": any(length > longest for length in results),
            "oldest turns left out": min(gone, len(self.older)) > 0,
            "oldest steps left out": gone > len(self.older),
        }
        reason = ", ".join(what for what, true in done.items() if true)
        return Cut("trimmed", reason, self._row(gone, longest), sample)

    def _fits(self, sample: Sample) -> bool:
        return len(sample.ids) <= self.most_tokens

    def _sample(self, gone: int, longest: int) -> Sample:
        return self.renderer.sample(self._row(gone, longest))

    def _row(self, gone: int, longest: int) -> Row:
        return replace(self.row, messages=[self._shortened(message, longest) for message in self._left(gone)])

    def _left(self, gone: int) -> list[Message]:
        later = self.steps[max(gone - len(self.older), 0) :]
        return list(chain(self.head, *self.older[gone:], self.asked, *later, self.end))

    def _shortened(self, message: Message, longest: int) -> Message:
        places = self.places[id(message)]
        if message["role"] != "tool" or len(places) <= longest:
            return message
        text, half = message["content"], (longest - MARKER_TOKENS) // 2
        marker = MARKER.format(left_out=len(places) - 2 * half)
        return {**message, "content": text[: places[half][0]] + marker + text[places[-half][0] :]}

    def _least(self, message: Message) -> int:
        """Fewer tokens than a message has when rendered."""
        told = len(self.places[id(message)])
        return min(told, self.floor - MARKER_TOKENS) if message["role"] == "tool" else told * 3 // 4


def _split(messages: Sequence[Message], first: set[str]) -> tuple[Sequence[Message], Sequence[Message]]:
    """Messages of these roles at the beginning, and the rest."""
    at = next(at for at, message in enumerate(messages) if message["role"] not in first)
    return messages[:at], messages[at:]


def _told(message: Message) -> str:
    """What every template shows of a message: not the ids of calls, and not the words beside them."""
    calls = [plain_call(call)["function"]["arguments"] for call in message.get("tool_calls") or ()]
    return json.dumps(calls, ensure_ascii=False) if calls else message.get("content") or ""


def _level(lengths: Sequence[int], floor: int, room: int) -> int:
    """How long results may be, where `room` tokens more are shared out among those longer than `floor`."""
    level, above = floor, [length for length in lengths if length > floor]
    while above:
        rise = min(above[0] - level, room // len(above))
        level, room = level + rise, room - rise * len(above)
        if level < above[0]:
            break
        above = above[1:]
    return level
