"""How much of the embedder's own speed taking logs in reaches, and what a run costs when nothing changed.

python -m benchmarks.ingest [--sessions 1000] [--json]

`embedder`: the embedding model alone, on the very windows that are stored. `ours`: the whole of `ingest` over
the same logs: reading, redaction, embedding, words, Qdrant, ledger. `again`: the command a second time, as a
process of its own, the start of Python included. Three turns a session, of invented words.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import settings
from benchmarks import machine, sessions
from benchmarks.place import borrow_model
from benchmarks.words import text
from parts import Parts
from terminal import show
from terminal.progress import Bar

TURNS, QUESTION_WORDS, ANSWER_WORDS = 3, 15, 90
APP = Path(__file__).resolve().parent.parent / "app.py"


def measure(count: int, home: Path, bar: Bar) -> list[dict[str, Any]]:
    """One row a method."""
    logs, data = home / "logs", home / "data"
    borrow_model(data)
    chance = random.Random(0)  # noqa: S311  # repeatable on purpose
    said = [(text(chance, QUESTION_WORDS), text(chance, ANSWER_WORDS)) for _ in range(count * TURNS)]
    for number in range(count):
        own = range(number * TURNS, (number + 1) * TURNS)
        sessions.write(logs, number, [(str(turn), *said[turn]) for turn in own], f"/home/dev/{number % 20}")
    with Parts(settings.load(data_dir=data)) as parts:
        embedder = parts.embedder
        windows = [part for turn in said for part in turn]
        embedder.windows(windows[:20])
        bar("embedding", 0, 1)
        alone = _seconds(lambda: embedder.windows(windows))
        whole = _seconds(lambda: parts.memories.ingest(logs))
    command = [sys.executable, str(APP), "ingest", str(logs), "--json"]
    again = _seconds(lambda: subprocess.run(command, env={"DATA_DIR": str(data)}, stdout=-1, check=True))
    turns = len(said)
    return [
        {"method": method, "sessions": count, "turns": turns, "seconds": round(seconds, 2), **figures}
        for method, seconds, figures in (
            ("embedder", alone, {"turns_per_s": round(turns / alone, 1), "share": 1.0}),
            ("ours", whole, {"turns_per_s": round(turns / whole, 1), "share": round(alone / whole, 3)}),
            ("again", again, {"turns_per_s": round(turns / again, 1), "share": None}),
        )
    ]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(
    count: Annotated[int, typer.Option("--sessions", min=1, help="How many sessions to write.")] = 1000,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare taking logs in with embedding alone."""
    with tempfile.TemporaryDirectory() as temporary, Bar() as bar:
        rows = measure(count, Path(temporary), bar)
    if json:
        show.as_json({"set": f"{count} sessions", "rows": rows, "machine": machine.described()})
        return
    show.rows(rows, f"{count} sessions")


if __name__ == "__main__":
    typer.run(main)
