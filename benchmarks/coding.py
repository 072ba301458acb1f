"""A scripted conversation with a coding agent, and what was said in sessions before it (coding.json).

Three turns of the user make eight requests, for after every tool result the agent asks again. It says each
call in words as well, and the tools stand in the instructions too, because the template of the trial model
shows contents only, of every role: no `tools`, no `tool_calls`. So everything that counts is rendered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import sessions

FILE = Path(__file__).resolve().parent / "coding.json"
PROJECT = "/home/dev/projects/harbour-prices"
Message = dict[str, Any]


@dataclass(frozen=True)
class Coding:
    """The conversation; `past` are question and answer of earlier turns."""

    system: str
    tools: Sequence[Any]
    turns: Sequence[Any]
    past: Sequence[tuple[str, str]]

    def requests(self) -> Iterator[tuple[int, list[Message]]]:
        """The number of the turn and all messages, for each request."""
        messages: list[Message] = [{"role": "system", "content": self.system}]
        for number, turn in enumerate(self.turns):
            messages.append({"role": "user", "content": turn["question"]})
            yield number, list(messages)
            for step, given in enumerate(turn["steps"]):
                messages += _called(f"call_{number}_{step}", given)
                yield number, list(messages)
            messages.append({"role": "assistant", "content": turn["answer"]})

    def remember(self, logs: Path) -> None:
        """Write the earlier sessions as logs."""
        for number, (question, answer) in enumerate(self.past):
            sessions.write(logs, number, [(str(number), question, answer)], PROJECT)


def load(longest: int | None = None, turns: int | None = None) -> Coding:
    """The conversation; for a quick look so many turns of it, with every text cut to so many characters."""
    told = json.loads(FILE.read_text(encoding="utf-8"))
    tools = told["tools"]
    rules = [*told["system"], "", *(json.dumps(tool["function"]) for tool in tools)]
    spoken = [
        {
            "question": turn["question"],
            "answer": turn["answer"][:longest],
            "steps": [step | {"result": "\n".join(step["result"])[:longest]} for step in turn["steps"]],
        }
        for turn in told["turns"][:turns]
    ]
    past = [(one["question"], one["answer"]) for one in told["past"]]
    return Coding("\n".join([f"Absolute path: {PROJECT}", *rules])[:longest], tools, spoken, past)


def _called(name: str, step: Any) -> list[Message]:
    function = {"name": step["tool"], "arguments": json.dumps(step["arguments"])}
    call = {"id": name, "type": "function", "function": function}
    return [
        {"role": "assistant", "content": step["say"], "tool_calls": [call]},
        {"role": "tool", "name": step["tool"], "tool_call_id": name, "content": step["result"]},
    ]
