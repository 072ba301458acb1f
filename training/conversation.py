"""A row's messages as the template of its family takes them.

Templates differ in tool calls: JSON as an object or as a string, several a message or one, or none at all.
That is put right here, once. What no model server would take is refused here or by the template.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from training.row import Message, Row

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Unfit(Exception):
    """A row that cannot be learnt from as it is; `str()` is the reason, the same for all rows of its kind."""


def conversation(row: Row, family: str) -> list[dict[str, Any]]:
    """The messages of a row, its calls as objects and each followed by its results in the order of the calls.

    Raises:
        Unfit: a call without its result or the other way round, or a call that says nothing usable.
    """
    if not row.messages:
        raise Unfit("nothing in it is learnt")
    told: list[dict[str, Any]] = []
    for message, results in _exchanges(row.messages):
        told += _WORDED[family](_plain(message), [_plain(result) for result in results])
    return told


def definitions(row: Row) -> list[dict[str, Any]]:
    """The tools of a row in the order of keys that Mistral's and OpenAI's servers give them.

    Raises:
        Unfit: a tool without a name.
    """
    return [_definition(tool) for tool in row.tools]


def steps(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """The messages in pieces that belong together: a message that is no result, and the results after it."""
    begun = 0
    for at, message in enumerate(messages):
        if message["role"] != "tool" and at > begun:
            yield messages[begun:at]
            begun = at
    if messages:
        yield messages[begun:]


def _exchanges(messages: Sequence[Message]) -> Iterator[tuple[Message, Sequence[Message]]]:
    seen = 0
    for first, *results in steps(messages):
        seen += 1 + len(results)
        calls = first.get("tool_calls") or []
        if first["role"] == "tool" or len(results) > len(calls):
            raise Unfit("a tool result without its call")
        if len(results) < len(calls) and seen < len(messages):
            raise Unfit("a tool call without its result")
        yield first, _in_order(calls, results)


def _in_order(calls: Sequence[Any], results: Sequence[Message]) -> Sequence[Message]:
    """Results as their calls stand; by their place, where they bear no ids."""
    named = [result["tool_call_id"] for result in results if isinstance(result.get("tool_call_id"), str)]
    numbers = [call["id"] for call in calls if isinstance(call, Mapping) and isinstance(call.get("id"), str)]
    if not named or len(numbers) < len(calls):
        return results
    order = {number: at for at, number in enumerate(numbers)}
    if len(set(named)) < len(results) or not set(named) <= set(order):
        raise Unfit("a tool result without its call")
    return sorted(results, key=lambda result: order[result["tool_call_id"]])


def _plain(message: Message) -> dict[str, Any]:
    """Role, words, and calls as objects."""
    told: dict[str, Any] = {"role": message["role"], "content": message.get("content") or ""}
    if message["role"] == "assistant" and message.get("tool_calls"):
        told["tool_calls"] = [plain_call(call) for call in message["tool_calls"]]
    thinking = message.get("thinking") or message.get("reasoning_content")
    if isinstance(thinking, str):
        told["thinking"] = thinking
    return told


def plain_call(call: Any) -> dict[str, Any]:
    """A call with its arguments as an object, in OpenAI's envelope and without its id.

    Raises:
        Unfit: it has no name, or arguments that are no JSON object.
    """
    function = _function(call, "a tool call without a name")
    given = function.get("arguments")
    try:
        arguments = json.loads(given) if isinstance(given, str) and given else given or {}
    except ValueError:
        raise Unfit("a tool call whose arguments are no JSON") from None
    if not isinstance(arguments, dict):
        raise Unfit("a tool call whose arguments are no object")
    return {"type": "function", "function": {"name": function["name"], "arguments": arguments}}


def _function(given: Any, fault: str) -> Mapping[str, Any]:
    """What is called or offered, with or without the envelope that OpenAI puts around it."""
    function = given.get("function", given) if isinstance(given, Mapping) else None
    if not (isinstance(function, Mapping) and isinstance(function.get("name"), str) and function["name"]):
        raise Unfit(fault)
    return function


def _definition(tool: Any) -> dict[str, Any]:
    function = _function(tool, "a tool without a name")
    told = {
        "name": function["name"],
        "description": function.get("description") or "",
        "parameters": function.get("parameters") or {},
    }
    return {"type": "function", "function": told}


def _as_mistral_has_it(message: dict[str, Any], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """mistral-common drops the blanks at the end of an answer and takes only some names."""
    if message["role"] == "assistant":
        message["content"] = message["content"].rstrip(" ")
    if not all(NAME.fullmatch(call["function"]["name"]) for call in message.get("tool_calls", ())):
        raise Unfit("a tool name that Mistral's server refuses")
    return [message, *results]


def _one_call_a_message(message: dict[str, Any], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The template of gpt-oss renders the first call of a message and loses the others."""
    first, *others = message.get("tool_calls", [None])
    told = [message if first is None else message | {"tool_calls": [first]}, *results[:1]]
    for at, call in enumerate(others, start=1):
        told += [{"role": "assistant", "content": "", "tool_calls": [call]}, *results[at : at + 1]]
    return told


def _calls_as_words(message: dict[str, Any], results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """SmolLM2's template knows no calls; its makers have them written into the answer."""
    calls = [call["function"] for call in message.pop("tool_calls", ())]
    if calls:
        words = f"<tool_call>{json.dumps(calls, ensure_ascii=False)}</tool_call>"
        message["content"] = "\n".join(filter(None, (message["content"], words)))
    return [message, *results]


_WORDED = {"devstral": _as_mistral_has_it, "gpt-oss": _one_call_a_message, "smollm2": _calls_as_words}
