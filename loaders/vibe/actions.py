"""What the agent did in a turn, as one line: tools, files, and commands with their exit status."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

Redact = Callable[[str], tuple[str, int]]

_MOST = 400
_MOST_TARGET = 120
_MOST_DETAIL = 80
_TAIL = 16_000  # enough of an output to redact a whole key file before its last line is taken
_NAMES = {
    "read_file": "read",
    "write_file": "write",
    "create_file": "write",
    "search_replace": "edit",
    "edit_file": "edit",
    "str_replace": "edit",
    "shell": "bash",
    "run_command": "bash",
    "spawn": "subagent",
    "task": "subagent",
}
_SILENT = {"todo", "wait"}  # bookkeeping that says nothing about the work
# What a call is about, by the first of these arguments that it has; words are quoted, files are not.
_FILES = ("path", "file_path", "filename", "file")
_ABOUT = ("command", "pattern", *_FILES, "query", "url", "task", "prompt", "agent")
_EXIT = re.compile(r"^return ?code: (-?\d+)\s*$", re.I | re.M)
_STREAM = re.compile(r"^stderr: ?(.*?)(?=^(?:stdout|return ?code):|\Z)", re.I | re.M | re.S)
_TAGS = re.compile(r"</?(?:tool_error|user_cancellation)>")
_FAILED = re.compile(r"^\S+ failed: ")
_LABEL = re.compile(r"^(?:stdout|stderr): ?", re.I | re.M)


@dataclass
class Action:
    """One tool call: its short name, what it was about, how it ended, and the output that says why."""

    name: str
    target: str = ""
    quoted: bool = False
    status: str = ""
    detail: str = ""


def called(tool: str, arguments: Any) -> Action:
    """The action that a tool call asks for; arguments may be JSON text, as OpenAI's protocol has them."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            arguments = None
    given = arguments if isinstance(arguments, dict) else {}
    last = tool.rsplit(".", 1)[-1]
    for key in _ABOUT:
        if isinstance(given.get(key), str) and given[key].strip():
            return Action(_NAMES.get(last, last), given[key], key not in _FILES)
    return Action(_NAMES.get(last, last))


def ended(action: Action, output: str) -> None:
    """Note on the action how a tool's output in text says that it ended."""
    if output.startswith("<user_cancellation>"):
        action.status = "cancelled"
        return
    failed = output.startswith("<tool_error>")
    codes = (
        _EXIT.findall(output[:_TAIL] if failed else _tail(output)) if failed or action.name == "bash" else []
    )
    if codes:
        exited(action, int(codes[-1]), output)
    elif failed:
        action.status, action.detail = "failed", _tail(_FAILED.sub("", _TAGS.sub("", output)))


def exited(action: Action, code: int, output: str) -> None:
    """Note the exit status, and the error output where it is not 0."""
    action.status = f"exit {code}"
    if code:
        text = _TAGS.sub("", output[-4 * _TAIL :])
        errors = [stream.strip() for stream in _STREAM.findall(text) if stream.strip()]
        action.detail = _tail(errors[-1] if errors else _LABEL.sub("", _EXIT.sub("", text)))


def line(actions: Sequence[Action], redact: Redact, project: str | None) -> tuple[str, int]:
    """All actions in one line without secrets, equal neighbours folded; and how much was redacted."""
    shown, count = [], 0
    for action in actions:
        if action.name not in _SILENT:
            piece, redacted = _piece(action, redact, project)
            shown.append(piece)
            count += redacted
    folded = [(piece, len(list(group))) for piece, group in groupby(shown)]
    return _fitted([piece if times == 1 else f"{piece} ×{times}" for piece, times in folded]), count


def _piece(action: Action, redact: Redact, project: str | None) -> tuple[str, int]:
    # Redaction comes before everything that cuts, so that no half of a secret is left.
    target, count = redact(action.target) if action.target else ("", 0)
    home = f"{project.rstrip('/')}/" if project else ""
    target = _cut(target.removeprefix(home), _MOST_TARGET)
    shown = f'"{target}"' if action.quoted else target
    name = f"{_cut(action.name, 40)} {shown}" if target else _cut(action.name, 40)
    detail, more = redact(action.detail) if action.detail else ("", 0)
    reason = _cut(_telling(action, detail).replace(home or "\0", ""), _MOST_DETAIL)
    status = f" ({action.status}{': ' if reason else ''}{reason})" if action.status else ""
    return name + status, count + more


def _telling(action: Action, detail: str) -> str:
    """The line that says what went wrong: a message's first, a program's last."""
    lines = [text for text in map(str.strip, detail.splitlines()) if text]
    if not lines:
        return ""
    return lines[0 if action.status == "failed" else -1]


def _fitted(pieces: list[str]) -> str:
    text = "; ".join(pieces)
    while len(text) > _MOST and len(pieces) > 2:
        # The first steps say what it was about, the last one how it came out.
        del pieces[-2]
        text = "; ".join([*pieces[:-1], "…", pieces[-1]])
    return _cut(text, _MOST)


def _cut(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _tail(text: str) -> str:
    return text.rstrip()[-_TAIL:]
