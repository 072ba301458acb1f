"""A conversation by its own content: a resumed client is known again, whatever its session is called."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from proxy.body import Message
from proxy.turns import SYSTEM

# What clients drop, add or rename between two requests of one conversation, and what absence means.
FLEETING = frozenset({"reasoning", "reasoning_content", "thinking", "index", "message_id"})


def keys(messages: Sequence[Message], owner: str, place: str) -> dict[int, str]:
    """For each user message its key: a sha256 over owner, place and all that was said up to it.

    Instructions are left out: they name the day, the branch, a scratch folder.
    """
    so_far = hashlib.sha256(json.dumps(["v1", owner, place]).encode())
    found: dict[int, str] = {}
    for index, message in enumerate(messages):
        role = message.get("role")
        if role in SYSTEM:
            continue
        so_far.update(json.dumps(_lasting(message), sort_keys=True).encode() + b"\n")
        if role == "user":
            found[index] = so_far.hexdigest()
    return found


def _lasting(value: Any) -> Any:
    """A value without what is empty or fleeting."""
    if isinstance(value, dict):
        pairs = ((name, _lasting(inner)) for name, inner in value.items() if name not in FLEETING)
        return {name: inner for name, inner in pairs if inner not in (None, "", [], {})}
    return [_lasting(inner) for inner in value] if isinstance(value, list) else value
