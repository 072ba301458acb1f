"""How long `python app.py` takes to show its prompt, with an index of about 1,000 passages.

python -m benchmarks.startup [--runs N] [--json]

The first run makes the index; the others are warm starts on a pseudo-terminal, from the start of the
process until the prompt is on the screen.
"""

from __future__ import annotations

import os
import pty
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import machine, texts
from terminal import show
from terminal.chat import PROMPT

ROOT = Path(__file__).resolve().parent.parent


def measure(home: Path, runs: int) -> dict[str, Any]:
    """Seconds until the prompt, first and warm."""
    documents = home / "documents"
    texts.write(documents, files=150, sentences=60)
    first = _until_prompt(documents, home / "data")
    warm = [_until_prompt(documents, home / "data") for _ in range(runs)]
    return {
        "passages": _passages(documents, home / "data"),
        "first_s": round(first, 2),
        "warm_median_s": round(statistics.median(warm), 2),
        "warm_worst_s": round(max(warm), 2),
        "runs": runs,
    }


def _until_prompt(documents: Path, data: Path) -> float:
    ours, theirs = pty.openpty()
    started = time.perf_counter()
    # An `env` of its own words: only settings.py reads the environment.
    words = ["env", f"DATA_DIR={data}", "TERM=xterm", sys.executable, "app.py", "--documents", str(documents)]
    with subprocess.Popen(words, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        seen = b""
        while PROMPT.strip().encode() not in seen:
            seen += os.read(ours, 4096)
            if b"\x1b[6n" in seen:  # prompt_toolkit asks where the cursor is, and waits for the answer
                os.write(ours, b"\x1b[1;1R")
        seconds = time.perf_counter() - started
        process.kill()
    os.close(ours)
    return seconds


def _passages(documents: Path, data: Path) -> int:
    words = [
        "env",
        f"DATA_DIR={data}",
        sys.executable,
        "app.py",
        "index",
        "--documents",
        str(documents),
        "--json",
    ]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(run.stdout.split('"passages": ')[1].split(",")[0])


def main(
    runs: Annotated[int, typer.Option(help="Warm starts to measure.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure the way to the prompt."""
    with tempfile.TemporaryDirectory() as home:
        facts = measure(Path(home), runs)
    if json:
        show.as_json(facts | {"machine": machine.described()})
        return
    show.console().print(
        f"{facts['passages']} passages: prompt after {facts['warm_median_s']} s (median of {runs}, worst "
        f"{facts['warm_worst_s']} s); the first start, which makes the index, {facts['first_s']} s."
    )


if __name__ == "__main__":
    typer.run(main)
