"""Messages as a template takes them: calls with their results, question and answer in turns.

No tool call is left without its result and no result without its call. Calls are named anew, since the ids in
logs and data sets repeat, and since Mistral's templates want nine characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

Message = dict[str, Any]


def mended(messages: Sequence[Message], repaired: Counter[str]) -> list[Message]:
    """The messages that can be learnt from, none where there are none; what was left out is counted."""
    told = _asked_first(_in_turns(_paired(messages, repaired)), repaired)
    return told if any(message["role"] == "assistant" for message in told) else []


def _paired(messages: Sequence[Message], repaired: Counter[str]) -> list[Message]:
    told: list[Message] = []
    at = number = 0
    while at < len(messages):
        first = messages[at]
        calls = first.get("tool_calls", [])
        begun = at = at + 1
        while first["role"] == "assistant" and at < len(messages) and messages[at]["role"] == "tool":
            at += 1
        if first["role"] == "tool":
            repaired["a tool result without its call"] += 1
            continue
        couples = _couples(calls, messages[begun:at])
        _note(repaired, "a tool call without its result", len(calls) - len(couples))
        _note(repaired, "a tool result without its call", at - begun - len(couples))
        told += _exchange(first, couples, number)
        number += len(couples)
    return told


def _couples(calls: Sequence[Message], results: Sequence[Message]) -> list[tuple[Message, Message]]:
    """Calls with results by their ids; by their places, where those are missing."""
    waiting = list(results)
    couples = []
    for call in calls:
        own = [one for one in waiting if one.get("tool_call_id") == call["id"] is not None]
        own = own or [one for one in waiting if call["id"] is None or "tool_call_id" not in one]
        if own:
            waiting = [one for one in waiting if one is not own[0]]
            couples.append((call, own[0]))
    return couples


def _exchange(first: Message, couples: Sequence[tuple[Message, Message]], number: int) -> list[Message]:
    """A message with the calls that have results, under new ids, and the results behind it."""
    names = [f"call{one:05}" for one in range(number + 1, number + len(couples) + 1)]
    calls = [call | {"id": name} for name, (call, _) in zip(names, couples, strict=True)]
    kept = {key: value for key, value in first.items() if key != "tool_calls"}
    results = [
        result | {"tool_call_id": name, "name": call["function"]["name"]}
        for name, (call, result) in zip(names, couples, strict=True)
    ]
    return [kept | ({"tool_calls": calls} if calls else {}), *results]


def _in_turns(messages: Sequence[Message]) -> list[Message]:
    """Neighbours of one speaker as one message, and nobody who says nothing."""
    told: list[Message] = []
    for message in messages:
        last = told[-1] if told else {"role": ""}
        if message["role"] == "assistant" and not (message["content"].strip() or "tool_calls" in message):
            continue
        if message["role"] == last["role"] != "tool" and "tool_calls" not in last:
            words = "\n\n".join(filter(str.strip, (last["content"], message["content"])))
            told[-1] = last | message | {"content": words}
        else:
            told.append(message)
    return told


def _asked_first(messages: Sequence[Message], repaired: Counter[str]) -> list[Message]:
    """Without answers before the first question, and without a question that nobody answers at the end."""
    first = next((at for at, message in enumerate(messages) if message["role"] == "user"), len(messages))
    answers = sum(message["role"] == "assistant" for message in messages[:first])
    _note(repaired, "an answer without its question", answers)
    told = [message for message in messages[:first] if message["role"] == "system"] + list(messages[first:])
    while told and told[-1]["role"] in ("user", "system"):
        _note(repaired, "a question without its answer", told.pop()["role"] == "user")
    return told


def _note(repaired: Counter[str], why: str, times: int) -> None:
    if times:
        repaired[why] += times
