"""A thread of turns as a chat: our own short system prompt, and what was asked, said, called and answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loaders.vibe.turns import Done, Said, Turn
from training.chats import chat, tools
from training.mending import Message
from training.threads import Thread

SYSTEM = "You are a coding agent. You work in the user's project with the tools that you are given."

# What the client says of its tools is a prompt as long as a recipe's whole row.
_SAID = ("description", "title")


def messages(thread: Thread, repaired: Counter[str]) -> list[Message]:
    """The chat of a thread; the client's system prompt, reasoning and injected messages are not in it.

    Raises:
        Unusable: nothing of it can be shown.
    """
    told: list[Mapping[str, Any]] = [{"role": "system", "content": SYSTEM}]
    for one in thread.turns:
        told += _turn(one.turn)
    return chat({"messages": told}, repaired)


def offered(thread: Thread, said: Sequence[Message]) -> list[dict[str, Any]]:
    """The tools that are called in a chat, by name and parameters; none where one of them is not known."""
    called = {call["function"]["name"] for message in said for call in message.get("tool_calls", ())}
    sessions = {one.session.id: one.session for one in thread.turns}.values()
    known: dict[str, dict[str, Any]] = {}
    for session in sessions:
        for tool in tools(session.tools):
            function = tool.get("function", tool)
            parameters = _bare(function.get("parameters") or {"type": "object", "properties": {}})
            known.setdefault(function["name"], {"name": function["name"], "parameters": parameters})
    if not called <= known.keys():
        return []
    return [{"type": "function", "function": known[name]} for name in known if name in called]


def words(said: Sequence[Message]) -> str:
    """What user and assistant said and called: it makes two rows alike, whatever files were read in them."""
    spoken = [message for message in said if message["role"] in ("user", "assistant")]
    calls = [call["function"]["arguments"] for message in spoken for call in message.get("tool_calls", ())]
    return "\n".join([*(message["content"] for message in spoken), *calls])


def _turn(turn: Turn) -> Iterator[Mapping[str, Any]]:
    yield {"role": "user", "content": turn.seen if (turn.seen or "").strip() else turn.user}
    for step in turn.steps or ():
        if isinstance(step, Said):
            calls = [
                {"id": call.id, "function": {"name": call.tool, "arguments": call.arguments}}
                for call in step.calls
            ]
            yield {"role": "assistant", "content": step.text, "tool_calls": calls}
        elif isinstance(step, Done):
            named = {"tool_call_id": step.call} if step.call else {}
            yield {"role": "tool", "content": step.output} | named


def _bare(schema: Any) -> Any:
    """A JSON schema without its explanations; a parameter that is called so stays."""
    if isinstance(schema, list):
        return [_bare(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _bare(value) for key, value in schema.items() if not (key in _SAID and isinstance(value, str))
    }
