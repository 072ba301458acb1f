"""What the model was sent in the turns of a unified session: the calls as it made them, with their results.

The checkpoint of each generation holds the conversation as it goes to the model: after a compaction only a
summary of what came before, so that not every turn is in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from loaders.vibe.messages import IMAGE, shows_more, text_of
from loaders.vibe.salvage import Record
from loaders.vibe.turns import Call, Done, Said, Turn
from loaders.vibe.unified_files import Fault, generations, load_chunk, load_object
from loaders.vibe.unified_history import listed, mapping
from loaders.vibe.unified_steps import DAMAGED, INDIRECT


@dataclass
class Sent:
    """A turn as the model saw it."""

    user: str
    steps: list[Said | Done] = field(default_factory=list)
    image: bool = False


def sent(folder: Path) -> list[list[Sent]]:
    """The turns that each generation holds whole, newest generation first; damaged ones hold none."""
    found = []
    for generation in generations(folder):
        try:
            messages = _messages(folder, f"generations/{generation}")
        except Fault:
            continue  # told by whoever reads the history
        grouped = groupby(map(mapping, messages), key=lambda entry: entry.get("turn_index"))
        found.append([turn for _, entries in grouped if (turn := _turn(list(entries)))])
    return found


def keep_sent(turns: Sequence[Turn], told: Iterable[Sequence[Sent]]) -> None:
    """Give the turns that the model was sent whole their steps as it saw them, the latest of equals first."""
    waiting = [turn for turn in turns if turn.answer is not None]
    for generation in told:
        by_answer: dict[str, list[Sent]] = {}
        for one in generation:
            by_answer.setdefault(_answer(one), []).append(one)
        left = []
        for turn in reversed(waiting):
            equals = by_answer.get(turn.answer or "", [])
            if equals and turn.user in equals[-1].user:
                _keep(turn, equals.pop())
            else:
                left.append(turn)
        waiting = left[::-1]


def _keep(turn: Turn, one: Sent) -> None:
    turn.steps, turn.seen = list(one.steps), one.user
    if one.image:
        turn.flaw = IMAGE
    elif turn.flaw in (DAMAGED, INDIRECT):
        turn.flaw = None


def _messages(folder: Path, place: str) -> list[Any]:
    state = mapping(load_object(folder, f"{place}/manifest.json").get("checkpoint"))
    digest = state.get("sha256")
    if not isinstance(digest, str):
        raise Fault(f"{place}/manifest.json names no checkpoint")
    name = Path(str(state.get("path") or "checkpoint.json")).name
    context = mapping(load_object(folder, f"{place}/{name}", digest).get("context"))
    messages = listed(context.get("messages"))
    for chunk in listed(state.get("chunks")):
        messages += load_chunk(folder, chunk)
    return messages


def _turn(entries: list[Record]) -> Sent | None:
    """The turn in these messages; None where a summary, a reminder or a second question is among them."""
    messages = [mapping(entry.get("message")) for entry in entries]
    users = [message for message in messages if message.get("role") == "user"]
    whole = all(entry.get("source") == "history" for entry in entries)
    if not whole or len(users) != 1 or messages[0] is not users[0]:
        return None
    turn = Sent(text_of(users[0].get("content")))
    for message in messages:
        if message.get("role") == "assistant":
            calls = [_call(part) for part in map(mapping, listed(message.get("content")))]
            turn.steps.append(Said(text_of(message.get("content")), tuple(filter(None, calls))))
        else:
            turn.image = turn.image or shows_more(message)
        if message.get("role") == "tool":
            name, call = message.get("name"), message.get("tool_call_id")
            turn.steps.append(Done(str(call), str(name or ""), text_of(message.get("content"))))
    return turn


def _call(part: Record) -> Call | None:
    if part.get("type") != "tool_call":
        return None
    return Call(str(part.get("id")), str(part.get("name")), mapping(part.get("arguments")).get("raw"))


def _answer(one: Sent) -> str:
    last = one.steps[-1] if one.steps else None
    return last.text if isinstance(last, Said) and not last.calls else "\0"
