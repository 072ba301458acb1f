"""How many of the nearest past turns the engine's graph finds, over texts that somebody wrote.

python -m benchmarks.nearest [--turns 5000 --turns 10000 ...] [--json]

The texts are paragraphs from the docstrings of the installed packages: vectors of written words lie otherwise
than those of invented ones. A turn is two that follow each other; the questions are sentences of paragraphs
that are not stored. Recall asks for the 100 nearest turns: `ten` and `hundred` are the shares that it gets of
what a scan of everything finds nearest.
"""

from __future__ import annotations

import ast
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import numpy as np
import typer

import settings
from benchmarks import machine
from benchmarks.place import borrow_model
from parts import Parts
from stores.collection import Collection, Payload, Point, Words
from stores.embeddings import Vectors
from stores.ranking import POOL
from terminal import show
from terminal.progress import Bar

SHORTEST, LONGEST, TOP, QUESTIONS, BATCH = 40, 300, 10, 200, 500
SIZES = [5000, 10_000]


def measure(sizes: Sequence[int], folder: Path, home: Path, bar: Bar) -> list[dict[str, Any]]:
    """One row a size, each with the turns of the smaller ones; the texts come from the `*.py` of a folder."""
    stored = 2 * max(sizes)
    apart = stored // QUESTIONS + 2  # each such paragraph is a question and not stored
    texts = list(islice(paragraphs(folder), stored + stored // (apart - 1) + 1))
    told = [text for at, text in enumerate(texts) if at % apart]
    if len(told) < stored:
        raise typer.BadParameter(f"these packages have {len(told) // 2} turns only: ask for fewer")
    borrow_model(home)
    with Parts(settings.load(data_dir=home)) as parts:
        parts.memories.ingest(home, quiet=True)
        collection, embedder = parts.memories.collection, parts.embedder
        done = iter(range(1, 10**9))
        windows, _ = embedder.windows(told, lambda _: bar("embedding", next(done), len(told)))
        turns = windows[:stored].reshape(-1, 2, windows.shape[1])
        asked = np.array([embedder.query(text.split(". ")[0]) for text in texts[::apart]])
        rows, before = [], 0
        for size in sorted(sizes):
            _write(collection, turns, range(before, size))
            started = time.perf_counter()
            collection.settle()
            row = {"turns": size, "graph_s": round(time.perf_counter() - started, 1)}
            rows.append(row | _found(collection, turns[:size], asked))
            before = size
    return rows


def paragraphs(folder: Path) -> Iterator[str]:
    """The paragraphs of the docstrings below a folder, in the order of its files, none of them twice."""
    known: set[str] = set()
    for file in sorted(folder.rglob("*.py")):
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError, RecursionError):  # some packages bring broken files to test with
            continue
        holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        for node in ast.walk(tree):
            text = (ast.get_docstring(node) or "") if isinstance(node, holders) else ""
            for paragraph in text.split("\n\n"):
                if SHORTEST <= len(paragraph) <= LONGEST and paragraph not in known:
                    known.add(paragraph)
                    yield paragraph


def _write(collection: Collection, turns: Vectors, numbers: range) -> None:
    """Turns [turns, 2, dimension] as points that have nothing but their windows."""
    for start in range(numbers.start, numbers.stop, BATCH):
        some = range(start, min(start + BATCH, numbers.stop))
        collection.upsert(
            [
                Point(
                    id=str(UUID(int=number)),
                    windows=turns[number].tolist(),
                    words=Words(indices=[], values=[]),
                    payload=Payload(page_content="", metadata={}),
                )
                for number in some
            ]
        )


def _found(collection: Collection, turns: Vectors, asked: Vectors) -> dict[str, float]:
    shares: dict[int, list[float]] = {TOP: [], POOL: []}
    seconds = []
    for vector in asked:
        started = time.perf_counter()
        near = {UUID(point).int for point, _ in collection.nearest(vector.tolist(), POOL, {})}
        seconds.append(time.perf_counter() - started)
        order = np.argsort(-(turns @ vector).max(axis=1), kind="stable").tolist()
        for count, found in shares.items():
            found.append(len(near & set(order[:count])) / min(count, len(order)))
    ten, hundred = (round(100 * statistics.fmean(found), 1) for found in shares.values())
    return {"ten": ten, "hundred": hundred, "ms": round(1000 * statistics.median(seconds), 2)}


def main(
    turns: Annotated[list[int] | None, typer.Option(help="How many turns; a row for each size.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Hold the graph of past turns against a scan of everything."""
    with tempfile.TemporaryDirectory() as home, Bar() as bar:
        packages = Path(sysconfig.get_paths()["purelib"])
        rows = measure(turns or SIZES, packages, Path(home), bar)
    if json:
        show.as_json({"machine": machine.described(), "rows": rows})
        return
    show.rows(rows, "of the nearest turns found by the graph, per cent")


if __name__ == "__main__":
    typer.run(main)
