"""The turns in the public history of a unified session: its entries, grouped by the turn that they name."""

from typing import Any

from loaders.vibe.actions import Action, called, exited
from loaders.vibe.messages import is_wrapper, text_of
from loaders.vibe.salvage import Record
from loaders.vibe.times import moment
from loaders.vibe.turns import Lost, Said, Turn
from loaders.vibe.unified_history import IN_PROGRESS, History, mapping


def turns_of(history: History) -> list[Turn]:
    """One turn for each turnId that a user's own message began, in the order of their first entries."""
    turns: dict[str, Turn] = {}
    for entry in history.entries.values():
        name = entry.get("turnId")
        if isinstance(name, str):
            _take(turns.setdefault(name, Turn(name, "")), entry)
    for name, turn in turns.items():
        if not _over(name, history):
            turn.answer = None
    return [turn for turn in turns.values() if turn.time is not None or turn.user]


def said(entry: Record) -> Said | Lost | None:
    """What an assistant's message says: nothing where it was thrown away, Lost while it is being written."""
    outcome = mapping(entry.get("outcome")).get("type", "committed")
    if entry.get("source", "harness") != "harness" or outcome != "committed":
        return None
    whole = entry.get("generationStatus") != IN_PROGRESS
    return Said(text_of(entry.get("content"))) if whole else Lost("assistant")


def _over(name: str, history: History) -> bool:
    if history.ended is not None:
        return name in history.ended
    latest = history.latest_turn
    return latest.get("id") != name or latest.get("status") != IN_PROGRESS


def _take(turn: Turn, entry: Record) -> None:
    match entry.get("type"), entry.get("role"):
        case "message", "user":
            _hear(turn, entry)
        case "message", "assistant":
            if step := said(entry):
                turn.follow(step)
        case "effect", _:
            turn.answer = None
            turn.actions.append(_action(mapping(entry.get("detail")), mapping(entry.get("state"))))
        case "gap", _:
            turn.follow(Lost("assistant"))  # the turnId says to which turn the rest belongs


def _hear(turn: Turn, entry: Record) -> None:
    text = text_of(entry.get("content"))
    if entry.get("source") != "turn_start" or is_wrapper(text):
        return
    turn.user = f"{turn.user}\n\n{text}" if turn.user else text
    turn.time = turn.time or moment(entry.get("createdAt"))
    turn.answer = None


def _action(detail: Record, state: Record) -> Action:
    tool = "subagent" if detail.get("kind") == "subagent" else str(detail.get("toolName") or "tool")
    action = called(tool, detail.get("input"))
    status = state.get("status")
    result = mapping(mapping(state.get("output")).get("structured_content"))
    if status == "failed":
        action.status, action.detail = "failed", _text(mapping(state.get("error")).get("message"))
    elif status in ("running", IN_PROGRESS, "pending"):
        action.status = "not finished"
    elif isinstance(result.get("returncode"), int):
        errors = _text(result.get("stderr"))
        exited(action, result["returncode"], errors if errors.strip() else _text(result.get("stdout")))
    elif isinstance(status, str) and status.startswith("cancel"):
        action.status = "cancelled"
    return action


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
