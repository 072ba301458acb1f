"""Session logs of a coding agent made up for measurements, as version 2 of Vibe writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path


def write(root: Path, number: int, turns: Iterable[tuple[str, str, str]], project: str) -> Path:
    """A folder with one session; a turn is its id, what the user said and what the agent answered."""
    folder = root / f"session_20261101_{number:06}_{number:08x}"
    folder.mkdir(parents=True, exist_ok=True)
    clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
    meta = {
        "session_id": f"{number:08x}-0000-4000-8000-000000000000",
        "start_time": f"2026-11-01T{clock}+00:00",
        "environment": {"working_directory": project},
        "git_branch": "main",
        "title": None,
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    lines = [json.dumps(message) + "\n" for turn in turns for message in _messages(*turn)]
    (folder / "messages.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def _messages(name: str, user: str, answer: str) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": user, "message_id": f"u{name}"},
        {"role": "assistant", "content": answer, "message_id": f"a{name}"},
    ]
