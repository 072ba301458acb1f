"""Which requests are a user's turn: decided from the messages, whoever sent them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from proxy.body import Chat, Message

SYSTEM = frozenset({"system", "developer"})
TEXT_PARTS = frozenset({"text", "input_text"})
# Housekeeping of Vibe that carries tools.
VIBE_OWN = ("CONTEXT CHECKPOINT COMPACTION", "<compaction_summary>", "<previous_user_messages>")
# Housekeeping of clients in general, which carries none: titles, tags, classifiers, summaries.
CHORE = re.compile(
    r"\A### Task:\s"  # Open WebUI
    r"|\Auser: .*\n\nassistant: "  # Vibe's titles
    r"|\b(generate|write|create|suggest|produce|provide|give)\b[^.\n]{0,60}\b(title|tags|summary)\b[^.\n]{0,80}"
    r"\b(conversation|chat|session|dialog(ue)?|messages?|thread)\b"
    r"|\b(create|write) a (detailed|concise) summary of (the|our|this) conversation"
    r"|\b(conversation|chat|session|title) (title )?(titler|generator|classifier|summari[sz]er)\b"
    r"|\Ayou (are|act as) an? [\w -]{0,40}(classifier|title generator)\b"
    r"|\Aclassify the ",
    re.I | re.S,
)
CHORE_LONGEST = 4000
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
    if message.get("role") != "user" or not text.strip() or any(mark in text for mark in VIBE_OWN):
        return None
    return Turn(index, text)


def may_remember(chat: Chat, headers: Mapping[str, str]) -> bool:
    """Whether a request is part of a conversation with a user, rather than a client's housekeeping."""
    if chat.field("tools"):
        return True
    if "x-affinity" in headers or headers.get("user-agent", "").startswith("Mistral-Vibe/"):
        return False  # a coding agent's conversations always have tools
    return not any(CHORE.search(text[:CHORE_LONGEST]) for text in _framing(chat.messages))


def _framing(messages: Sequence[Message]) -> list[str]:
    """What tells housekeeping from talk: the instructions, and a first and only message."""
    instructions = [text_of(message) for message in messages if message.get("role") in SYSTEM]
    said = [text_of(message) for message in messages if message.get("role") not in SYSTEM]
    return [*instructions, *(said if len(said) == 1 else said[-1:])]


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
