"""How long `recall` takes once it runs, embedding included, over a large embedded memory.

python -m benchmarks.recall [--turns 100000] [--json]

The turns are of invented words with the frequencies of real ones. A few thousand texts are really embedded;
the vectors of the others are those of one of these, turned by a random tenth, since embedding 100,000 texts
takes an hour. Everything else is real: the engine, its indexes, the questions' embedding, the recall graph.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import numpy as np
import typer
from langchain_core.documents import Document

import settings
from benchmarks import machine
from benchmarks.place import borrow_model
from benchmarks.words import text
from parts import Parts
from stores.collection import Payload, Point
from stores.embeddings import Embedder, Vectors
from stores.sides import sides
from stores.words import packed, weighted
from terminal import show
from terminal.progress import Bar

EMBEDDED, PROJECTS, SESSION_TURNS, BATCH = 2000, 50, 10, 500
TURN_WORDS, QUESTION_WORDS, QUESTIONS = 100, 8, 300
TURNED = 0.1
Say = Callable[[random.Random], str]


def measure(turns: int, home: Path, bar: Bar) -> dict[str, Any]:
    """Milliseconds a question, at the median and for 95 of 100, without a filter and within one project."""
    chance = random.Random(0)  # noqa: S311  # repeatable on purpose
    borrow_model(home)
    with Parts(settings.load(data_dir=home)) as parts:
        memories, embedder = parts.memories, parts.embedder
        memories.ingest(home)
        started = time.perf_counter()
        for done, batch in enumerate(points(turns, embedder, chance, bar)):
            bar("writing", done * BATCH, turns)
            memories.collection.upsert(batch)
        memories.collection.settle()
        built = time.perf_counter() - started
        questions = [text(chance, QUESTION_WORDS) for _ in range(QUESTIONS)]
        parts.recall_turns(questions[0])
        rows = {
            "recall": [_seconds(parts.recall_turns, question) for question in questions],
            "recall in one project": [
                _seconds(parts.recall_turns, question, f"/home/dev/{number % PROJECTS}")
                for number, question in enumerate(questions)
            ],
            "the embedding alone": [_seconds(embedder.query, question) for question in questions],
        }
    size = sum(file.stat().st_blocks * 512 for file in (home / "memory").rglob("*") if file.is_file())
    return {
        "turns": turns,
        "built_s": round(built, 1),
        "mb": round(size / 1e6),
        "rows": [{"what": what, **_spread(values)} for what, values in rows.items()],
    }


def said(chance: random.Random) -> str:
    """What a turn says, in invented words."""
    return text(chance, TURN_WORDS)


def points(
    turns: int, embedder: Embedder, chance: random.Random, bar: Bar, say: Say = said
) -> Iterator[list[Point]]:
    """Batches of turns with their vectors and words."""
    dice = np.random.default_rng(0)
    texts = [say(chance) for _ in range(min(EMBEDDED, turns))]
    done = iter(range(1, 10**9))
    vectors, _ = embedder.windows(texts, lambda _: bar("embedding", next(done), len(texts)))
    for start in range(0, turns, BATCH):
        points = []
        for number in range(start, min(start + BATCH, turns)):
            told = texts[number] if number < len(texts) else say(chance)
            document = Document(told)
            windows = [
                _turned(vectors[(number + one) % len(vectors)], dice) for one in range(len(sides(document)))
            ]
            points.append(_point(number, document, windows))
        yield points


def _turned(vector: Vectors, dice: np.random.Generator) -> list[float]:
    other = vector + TURNED * dice.normal(size=len(vector)) / 20
    return list((other / np.linalg.norm(other)).tolist())


def _point(number: int, document: Document, windows: list[list[float]]) -> Point:
    told = document.page_content
    session = f"session-{number // SESSION_TURNS}"
    metadata = {
        "identity": str(number),
        "session_id": session,
        "sessions": [session],
        "place": number % SESSION_TURNS,
        "pieces": [
            [side.said, side.end, packed(told[side.said : side.end], "english")] for side in sides(document)
        ],
        "project": f"/home/dev/{number // SESSION_TURNS % PROJECTS}",
        "language": "english",
        "time": f"2026-{1 + number % 12:02}-{1 + number % 28:02}T12:00:00Z",
    }
    payload = Payload(page_content=told, metadata=metadata)
    return Point(id=str(UUID(int=number)), windows=windows, words=weighted(told, "english"), payload=payload)


def _seconds(work: Callable[..., object], *arguments: Any) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def _spread(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50_ms": round(1000 * statistics.median(ordered), 2),
        "p95_ms": round(1000 * ordered[int(0.95 * len(ordered))], 2),
    }


def main(
    turns: Annotated[int, typer.Option(help="How many turns the memory holds.")] = 100_000,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Time recall over a large memory."""
    with tempfile.TemporaryDirectory() as temporary, Bar() as bar:
        facts = measure(turns, Path(temporary), bar)
    if json:
        show.as_json(facts | {"machine": machine.described()})
        return
    show.rows(
        facts["rows"],
        f"{facts['turns']:,} turns, built in {facts['built_s']} s, {facts['mb']} MB on the disk",
    )


if __name__ == "__main__":
    typer.run(main)
