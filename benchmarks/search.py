"""What a question costs in a large folder, beside plain dense search, and how large the index is.

python -m benchmarks.search [--passages N] [--json]

Passages of invented words with invented vectors (a search takes the same time), questions of those words, the
methods by turns. `embed_ms` is the question's embedding, which both need and neither's time holds. `slip` has
one word that is in no passage, `spanish` only words that are spelt differently in the text: what near words
cost. `size` is the index on disk, in plain ones: the texts and a float32 vector a passage.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from langchain_core.documents import Document

import settings
from benchmarks import baselines, machine, words
from benchmarks.remembered import Remembered
from stores.corpus import Corpus
from stores.documents import Documents
from stores.embeddings import Embedder, Vectors, load_embedder
from stores.pieces import Packed, cut
from terminal import show

DIMENSION, DEPTH, QUESTIONS = 384, 12, 200
SENTENCES, SENTENCE, ASKED = 8, 20, 8


def measure(count: int, model: Embedder) -> list[dict[str, Any]]:
    """A row a kind of question: milliseconds a question, and what that is more than plain."""
    embedder = Remembered(model)
    chance = random.Random(0)  # noqa: S311  # repeatable on purpose
    corpus = _invented(count, chance)
    started = time.perf_counter()
    lexical = corpus.lexical()
    built = time.perf_counter() - started
    store = Documents(embedder, corpus, lexical)
    plain = baselines.nearest(corpus.vectors)
    started = time.perf_counter()
    store.find("¿zzz?", DEPTH)
    near = time.perf_counter() - started
    facts = {"passages": count, "size": _size(corpus), "lexical_s": round(built, 2), "near_s": round(near, 2)}
    searches = (
        lambda question, _: [embedder.query(question)],
        lambda question, k: plain(embedder.query(question), k),
        store.find,
    )
    return [facts | _row(kind, ask, chance, searches) for kind, ask in KINDS.items()]


def _row(
    kind: str,
    ask: Callable[[random.Random], str],
    chance: random.Random,
    searches: Sequence[Callable[[str, int], object]],
) -> dict[str, Any]:
    spent: list[list[float]] = [[] for _ in searches]
    for _ in range(QUESTIONS):
        question = ask(chance)
        for search, seconds in zip(searches, spent, strict=True):
            started = time.perf_counter()
            search(question, DEPTH)
            seconds.append(1000 * (time.perf_counter() - started))
    embed, plain, ours = (statistics.median(seconds) for seconds in spent)
    worst = statistics.quantiles(spent[-1], n=20)[-1]
    told = {"embed_ms": embed, "plain_ms": plain, "ours_ms": ours, "ours_p95_ms": worst}
    told["added_ms"] = ours - plain
    return {"question": kind} | {name: round(value, 2) for name, value in told.items()}


def _known(chance: random.Random) -> str:
    return f"What is the {words.text(chance, ASKED)}?"


def _slip(chance: random.Random) -> str:
    return f"{_known(chance)} {_changed(words.text(chance, 1))}"


def _spanish(chance: random.Random) -> str:
    return f"¿Cuál es {' '.join(map(_changed, words.text(chance, ASKED).split()))}?"


KINDS = {"known": _known, "slip": _slip, "spanish": _spanish}


def _changed(word: str) -> str:
    return f"{word}xor"


def _invented(count: int, chance: random.Random) -> Corpus:
    texts = [_text(chance) for _ in range(count)]
    data = [{"file": f"{number // 10}.txt", "language": "english"} for number in range(count)]
    passages = [
        Document(text, id=str(at), metadata=own)
        for at, (text, own) in enumerate(zip(texts, data, strict=True))
    ]
    pieces = [len(cut(text)) for text in texts]
    vectors = np.random.default_rng(0)
    return Corpus(
        passages, _unit(vectors, count), [1] * count, Packed.of(_unit(vectors, sum(pieces))), pieces
    )


def _text(chance: random.Random) -> str:
    return " ".join(f"{words.text(chance, SENTENCE).capitalize()}." for _ in range(SENTENCES))


def _unit(drawn: np.random.Generator, count: int) -> Vectors:
    vectors = drawn.standard_normal((count, DIMENSION), np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _size(corpus: Corpus) -> float:
    texts = sum(len(passage.page_content.encode()) for passage in corpus.passages)
    plain = texts + 4 * DIMENSION * len(corpus.passages)
    with tempfile.TemporaryDirectory() as folder:
        corpus.save(Path(folder))
        written = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return round(written / plain, 2)


def main(
    passages: Annotated[list[int] | None, typer.Option(help="How many; may be given several times.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure what a question costs."""
    chosen = settings.load()
    embedder = load_embedder(chosen.embedding_model, chosen.data_dir / "models", chosen.threads)
    rows = [row for count in passages or [1_000, 10_000] for row in measure(count, embedder)]
    if json:
        show.as_json({"set": f"{QUESTIONS} questions", "machine": machine.described(), "rows": rows})
        return
    show.rows(rows, f"{QUESTIONS} questions of each kind")


if __name__ == "__main__":
    typer.run(main)
