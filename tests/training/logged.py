"""Logs of sessions to make rows of, and the rows that are made of them."""

import json
from pathlib import Path

from tests.loaders.spoken import assistant, folder_2x, tool, user
from training.rows import rows
from training.threads import Choice


def names(number):
    """The id of a session by its number."""
    return f"{number:08x}-0000-4000-8000-000000000000"


def session(root: Path, number: int, told, **meta) -> Path:
    """A folder of Vibe 2.x with these messages; later numbers began later."""
    folder = root / f"session_20261101_{number:06}_{number:08x}"
    folder.mkdir(parents=True)
    about = {"start_time": f"2026-11-01T10:{number:02}:00+00:00"} | meta
    (folder / "meta.json").write_text(json.dumps(folder_2x(names(number), **about)))
    (folder / "messages.jsonl").write_text("".join(json.dumps(line) + "\n" for line in told))
    return folder


def turn(key, asked=None, answer=None, *, output="stdout: ok\nreturncode: 0", command="make"):
    """A question, a command, and the answer."""
    return [
        user(asked or f"How is machine {key} painted and oiled, and who looks after it?", key),
        assistant(f"I look at machine {key}.", ("c1", "bash", {"command": f"{command} {key}"})),
        tool("bash", "c1", output),
        assistant(answer or f"Machine {key} is painted in colour code R{key}, and {key} times oiled a year."),
    ]


def made(root: Path, out: Path, redactor, **choice):
    """The rows of the logs below a folder, and the facts."""
    facts = rows(root, out, redactor, Choice(**choice))
    return [json.loads(line) for line in out.read_text().splitlines()], facts


def asked(row):
    """What the user said in a row."""
    return [message["content"] for message in row["messages"] if message["role"] == "user"]


def keys(row):
    """The turns of a row that `turn` made, by the key in their questions."""
    return [question.split()[3] for question in asked(row)]
