"""One example: a conversation that has an assistant's words in it, and the session that it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Message = Mapping[str, Any]
ROLES = frozenset({"system", "user", "assistant", "tool"})


@dataclass(frozen=True)
class Row:
    """Messages as in the protocol of OpenAI; rows of one session are trained on or held back together."""

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    session: str = ""


def fault(messages: Any) -> str | None:
    """Why messages are no conversation to learn from; None where they are."""
    if not isinstance(messages, list) or not messages:
        return "no messages"
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            return "a message without a known role"
        content = message.get("content")
        if not (content is None or isinstance(content, str)):
            return "a message whose content is no text"
    if not any(message["role"] == "assistant" and spoken(message) for message in messages):
        return "no words of an assistant"
    return None


def spoken(message: Message) -> bool:
    """Whether a message says or calls something."""
    return bool((message.get("content") or "").strip() or message.get("tool_calls"))


def turns(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """The messages by turns: each begins with a user's message; what stands before the first is one too."""
    begun = 0
    for at, message in enumerate(messages):
        if message["role"] == "user" and at > begun:
            yield messages[begun:at]
            begun = at
    yield messages[begun:]
