"""What was said and done in the turns of a unified session, step by step, from its public history.

The history tells what the client did, not what the model called: most calls are told alike, an edit under
another name and with other arguments, a subagent or the calls of a program as nobody called them. Where the
store still holds what the model was sent, that is better (unified_sent.py).
"""

import json
from collections.abc import Sequence
from typing import Any

from loaders.vibe.messages import IMAGE, shows_more
from loaders.vibe.salvage import Record
from loaders.vibe.turns import Call, Done, Lost, Said, Step, Turn
from loaders.vibe.unified_history import History, listed, mapping
from loaders.vibe.unified_turns import said

DAMAGED, INDIRECT, STEERED, STOPPED = "damaged", "indirect", "steered", "stopped"

_DIRECT = {f"file_system.{name}": name for name in ("read_file", "write_file", "bash")}
_EDIT = "file_system.search_replace"


def keep_steps(turns: Sequence[Turn], history: History) -> None:
    """Give each turn its steps, and the flaw where they are not what the model saw and called."""
    trails: dict[str, _Trail] = {}
    for entry in history.entries.values():
        if isinstance(entry.get("turnId"), str):
            trails.setdefault(entry["turnId"], _Trail()).follow(entry)
    for turn in turns:
        trail = trails[turn.key or ""]
        turn.steps, turn.seen = trail.steps(), turn.user
        # Of a history that was put together nobody knows which effects are lost.
        turn.flaw = trail.flaw or (DAMAGED if history.ended is not None else None)
    latest = history.latest_turn
    stopped = latest.get("status") in ("failed", "interrupted") or latest.get("stopReason")
    for turn in turns:
        if stopped and turn.key == latest.get("id"):
            turn.flaw = STOPPED


class _Trail:
    """The steps of one turn in the making."""

    def __init__(self) -> None:
        self.flaw: str | None = None
        self._steps: list[Step] = []
        self._calls: list[tuple[Call, Done | None]] = []
        self._busy_until = 0.0  # the calls of one message run side by side: each begins before another ended

    def follow(self, entry: Record) -> None:
        match entry.get("type"), entry.get("role"):
            case "effect", _:
                self._do(entry)
            case "gap", _:
                self._say(Lost())
            case "message", "assistant":
                self._say(said(entry))
            case "message", "user":
                self._flawed(IMAGE if shows_more(entry) else None)
                self._flawed(STEERED if entry.get("source") != "turn_start" else None)

    def steps(self) -> list[Step]:
        """All of them."""
        self._close()
        return self._steps

    def _do(self, entry: Record) -> None:
        call = _called(entry)
        if call is None:
            self._flawed(INDIRECT)
            return
        if _number(entry.get("createdAt")) >= self._busy_until:
            self._close()
        self._calls.append((call, _done(call, mapping(entry.get("state")))))
        self._busy_until = max(self._busy_until, _number(entry.get("updatedAt")))

    def _say(self, step: Step | None) -> None:
        self._close()
        self._steps += [step] if step else []

    def _close(self) -> None:
        """Put the calls into the message that they were made in, and their results behind it."""
        if not self._calls:
            return
        text = ""
        if self._steps and isinstance(self._steps[-1], Said) and not self._steps[-1].calls:
            text = self._steps[-1].text
            self._steps.pop()
        self._steps.append(Said(text, tuple(call for call, _ in self._calls)))
        self._steps += [done for _, done in self._calls if done]
        self._calls = []

    def _flawed(self, flaw: str | None) -> None:
        self.flaw = self.flaw or flaw


def _called(entry: Record) -> Call | None:
    """The call that an effect comes from; None where it cannot be told."""
    detail = mapping(entry.get("detail"))
    tool, given = detail.get("toolName"), mapping(detail.get("input"))
    identity = str(entry.get("id"))
    if detail.get("kind") != "tool" or not isinstance(tool, str):
        return None
    if tool in _DIRECT:
        return Call(identity, _DIRECT[tool], given)
    changes = [mapping(change) for change in listed(given.get("content"))]
    if tool != _EDIT or len(changes) != 1:
        return None
    edit = {"file_path": given.get("file_path"), "old_string": changes[0].get("old_str")}
    edit["new_string"] = changes[0].get("new_str")
    return Call(identity, "edit", edit | ({"replace_all": True} if changes[0].get("replace_all") else {}))


def _done(call: Call, state: Record) -> Done | None:
    """The result as the client writes it for the model; None where there is none."""
    if state.get("status") == "failed":
        message = mapping(state.get("error")).get("message")
        error = {"name": "tool_failed", "message": message, "details": None}
        return Done(call.id, call.tool, _compact({"result": {"type": "error", "error": error}}))
    if state.get("status") != "completed":
        return None
    return Done(call.id, call.tool, _compact(mapping(state.get("output")).get("structured_content")))


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _number(value: Any) -> float:
    return value if isinstance(value, (int, float)) else 0.0
