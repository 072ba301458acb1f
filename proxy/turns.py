"""Which requests are a user's turn: decided from the messages, whoever sent them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.body import Chat, Message
from proxy.chores import instructed, is_chore

# Tuples, since what a client sends as a role or a type need not be hashable.
SYSTEM = ("system", "developer")
TEXT_PARTS = ("text", "input_text")
WHERE = re.compile(r"^Absolute path: (.+?)\s*$", re.M)


@dataclass(frozen=True)
class Turn:
    """The user's message that a request is about: where it stands and what it asks."""

    index: int
    question: str


def turn_of(chat: Chat, headers: Mapping[str, str]) -> Turn | None:
    """The user's turn that a request begins; None for tool results, titles, compaction and the like."""
    spoken = [index for index, message in enumerate(chat.messages) if message.get("role") not in SYSTEM]
    if not spoken or not may_remember(chat, headers):
        return None
    index = spoken[-1]
    message = chat.messages[index]
    text = text_of(message)
    if message.get("role") != "user" or not text.strip() or is_chore(text):
        return None
    return Turn(index, text)


def may_remember(chat: Chat, headers: Mapping[str, str]) -> bool:
    """Whether a request is part of a conversation with a user, rather than a client's housekeeping."""
    if chat.field("tools"):
        return True
    if "x-affinity" in headers or headers.get("user-agent", "").startswith("Mistral-Vibe/"):
        return False  # a coding agent's conversations always have tools
    return not any(instructed(text_of(one)) for one in chat.messages if one.get("role") in SYSTEM)


def text_of(message: Message) -> str:
    """The text of a message, of its text parts where it has parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts: Sequence[Any] = content if isinstance(content, list) else ()
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") in TEXT_PARTS]
    return "\n".join(text for text in texts if isinstance(text, str))


def directory(messages: Sequence[Message]) -> str | None:
    """The working directory that Vibe names in its system prompt."""
    for message in messages:
        if message.get("role") in SYSTEM and (found := WHERE.search(text_of(message))):
            return found[1]
    return None
