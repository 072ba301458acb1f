"""Chats as people, programs and data sets write them, as messages of OpenAI's protocol.

What is put right is counted, what cannot be is a reason; whatever stands in a row, nothing else is raised.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from loaders.vibe.messages import shows_more, text_of
from training.mending import Message, mended

_SPEAKERS = {
    "system": "system developer",
    "user": "user human",
    "assistant": "assistant gpt chatgpt model function_call",
    "tool": "tool function observation",
}
_ROLES = {name: role for role, names in _SPEAKERS.items() for name in names.split()}
_IMAGE = "an image, or another part that is no text"
_THOUGHTS = ("thinking", "reasoning_content")


class Unusable(Exception):
    """A chat that nothing can be learnt from; `str()` is the reason, the same for all of its kind."""


def chat(given: Mapping[str, Any], repaired: Counter[str]) -> list[Message]:
    """The messages of a row in any known form; what was left out of it is counted in `repaired`.

    Raises:
        Unusable: why there are none.
    """
    if given.get("image") or given.get("images"):
        raise Unusable(_IMAGE)
    told = mended([_message(message, repaired) for message in _written(given)], repaired)
    if not told:
        raise Unusable("no answer to a question")
    return told


def tools(given: Any) -> list[dict[str, Any]]:
    """The tools of a row, which may be JSON in a string; those without a name are left out."""
    if isinstance(given, str):
        given = _parsed(given)
    found = given if isinstance(given, list) else []
    return [tool for tool in found if isinstance(tool, dict) and _name(tool.get("function", tool))]


def _written(given: Mapping[str, Any]) -> list[Any]:
    """The messages as the row has them."""
    for name in ("messages", "conversations", "conversation"):
        messages = given.get(name)
        messages = _parsed(messages) if isinstance(messages, str) else messages
        if isinstance(messages, list) and messages:
            return messages
        if given.get(name) is not None:
            raise Unusable("no messages")
    for asked, answer in (("instruction", "output"), ("prompt", "completion")):
        if given.get(asked) is not None or given.get(answer) is not None:
            return _pair(given, asked, answer)
    raise Unusable("no messages, and no instruction with its output")


def _pair(given: Mapping[str, Any], asked: str, answer: str) -> list[Any]:
    """An instruction with its output; each of prompt and completion may be messages already."""
    told: list[Any] = []
    for name, role in ((asked, "user"), (answer, "assistant")):
        words = given.get(name)
        if isinstance(words, (int, float)) and not isinstance(words, bool):
            words = str(words)  # a table's column of numbers
        if isinstance(words, list):
            told += words
        elif isinstance(words, str) and words.strip():
            more = given.get("input") if role == "user" else None
            words = f"{words}\n\n{more}" if isinstance(more, str) and more.strip() else words
            told.append({"role": role, "content": words})
        else:
            raise Unusable(f"no {name} in words")
    system = given.get("system")
    told_first = isinstance(system, str) and system.strip()
    return [{"role": "system", "content": system}, *told] if told_first else told


def _message(given: Any, repaired: Counter[str]) -> Message:
    if not isinstance(given, dict):
        raise Unusable("a message that is none")
    spoken_by = given.get("role", given.get("from"))
    role = _ROLES.get(spoken_by) if isinstance(spoken_by, str) else None
    if role is None:
        raise Unusable("a message without a known role")
    message: Message = {"role": role, "content": _content(given)}
    if role == "assistant":
        calls = [call for one in _calls(given, spoken_by) if (call := _call(one, repaired))]
        message |= {"tool_calls": calls} if calls else {}
        message |= {name: given[name] for name in _THOUGHTS if isinstance(given.get(name), str)}
        message["content"] = "" if spoken_by == "function_call" else message["content"]
    if role == "tool":
        message |= (
            {"tool_call_id": given["tool_call_id"]} if isinstance(given.get("tool_call_id"), str) else {}
        )
    if role == "user" and not message["content"].strip():
        raise Unusable("a question without words")
    return message


def _content(given: Mapping[str, Any]) -> str:
    content = given.get("content", given.get("value"))
    if shows_more({"content": content, "images": given.get("images")}):
        raise Unusable(_IMAGE)
    parts = content if isinstance(content, list) else ["" if content is None else content]
    if not all(_is_text(part) for part in parts):
        raise Unusable("a message whose content is no text")
    return text_of(content)


def _is_text(part: Any) -> bool:
    return isinstance(part, str) or (isinstance(part, dict) and isinstance(part.get("text"), str))


def _calls(given: Mapping[str, Any], spoken_by: Any) -> Iterator[Any]:
    """Every call of a message: as they are now, as they were before tools, as ShareGPT has them."""
    if isinstance(given.get("tool_calls"), list):
        yield from given["tool_calls"]
    if given.get("function_call") is not None:
        yield given["function_call"]
    if spoken_by == "function_call":
        yield _parsed(given.get("value", given.get("content")))


def _call(given: Any, repaired: Counter[str]) -> Message | None:
    """A call with its arguments as JSON in a string; None where it says nothing usable."""
    call = given if isinstance(given, dict) else {}
    function = call.get("function", call)
    name = _name(function)
    if not name:
        repaired["a tool call without a name"] += 1
        return None
    arguments = function.get("arguments")
    arguments = _parsed(arguments) if isinstance(arguments, str) and arguments.strip() else arguments or {}
    if not isinstance(arguments, dict):
        repaired["a tool call whose arguments are no JSON object"] += 1
        return None
    told = {"name": name, "arguments": text_of(json.dumps(arguments, ensure_ascii=False))}
    return {"id": call.get("id"), "type": "function", "function": told}


def _name(function: Any) -> str:
    name = function.get("name") if isinstance(function, dict) else None
    return text_of(name) if isinstance(name, str) else ""


def _parsed(text: Any) -> Any:
    try:
        return json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return None
