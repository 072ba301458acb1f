"""How often the right passage is among the first: plain, BM25, RRF and ours in one run.

python -m benchmarks.documents --data DIR [--questions FILE] [--json]

DIR is a folder in the format of `squad2_dev`, or a file in the format of `xquad`; with --questions, the
questions of that file are asked of the texts of the other. A hit is a delivered passage that holds the
answer's place. `ms` is the median time of a query, embedding included.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from langchain_core.documents import Document

import settings
from benchmarks import baselines, machine, questions
from loaders.passages import split
from stores.corpus import Corpus, embed
from stores.documents import Documents
from stores.embeddings import Embedder, load_embedder
from terminal import show
from terminal.progress import Bar

DEPTH = 10


def measure(asked: questions.QuestionSet, chosen: settings.Settings) -> list[dict[str, Any]]:
    """One row a method, with the settings that are shipped."""
    embedder = load_embedder(chosen.embedding_model, chosen.data_dir / "models", chosen.threads)
    with Bar() as bar:
        corpus = corpus_of(asked, embedder, chosen, bar)
        plain, bm25 = baselines.plain(corpus.passages, embedder), baselines.bm25(corpus.passages)
        methods = {
            "plain": plain,
            "bm25": bm25,
            "rrf": baselines.rrf([plain, bm25]),
            "ours": Documents(embedder, corpus, corpus.lexical()).find,
        }
        return [row(name, search, asked, bar) for name, search in methods.items()]


def corpus_of(
    asked: questions.QuestionSet, embedder: Embedder, chosen: settings.Settings, bar: Bar
) -> Corpus:
    """The texts of a set, split as the settings say."""
    texts = [Document(text, metadata={"file": name}) for name, text in asked.texts.items()]
    passages = split(texts, chosen.chunk_size, chosen.chunk_overlap)
    return embed(passages, embedder, partial(bar, "embedding"))


def row(name: str, search: baselines.Search, asked: questions.QuestionSet, bar: Bar) -> dict[str, Any]:
    """How often and how fast a method finds what a set asks for."""
    ranks, seconds = [], []
    for done, one in enumerate(asked.asked, start=1):
        bar(name, done, len(asked.asked))
        started = time.perf_counter()
        found = search(one.question, DEPTH)
        seconds.append(time.perf_counter() - started)
        ranks.append(next((rank for rank, hit in enumerate(found, start=1) if _holds(hit, one)), 0))
    hits = {f"hit@{k}": _percent(sum(0 < rank <= k for rank in ranks), len(ranks)) for k in (1, 3, 5)}
    mrr = round(100 * statistics.fmean(1 / rank if rank else 0.0 for rank in ranks), 1)
    return {"method": name, **hits, "mrr@10": mrr, "ms": round(1000 * statistics.median(seconds), 2)}


def _holds(hit: Document, asked: questions.Asked) -> bool:
    start, end = hit.metadata["start"], hit.metadata["end"]
    own = hit.metadata["file"] == asked.text
    return own and any(start <= first and last <= end for first, last in asked.spans)


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 1)


def main(
    data: Annotated[Path, typer.Option(help="A folder like squad2_dev, or a file like xquad/es.json.")],
    questions_from: Annotated[
        Path | None, typer.Option("--questions", help="Ask this file's questions.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare retrieval methods on a set of questions."""
    asked = questions.load(data, questions_from)
    rows = measure(asked, settings.load())
    if json:
        show.as_json(
            {"set": asked.name, "texts": len(asked.texts), "questions": len(asked.asked)}
            | {"machine": machine.described(), "rows": rows}
        )
        return
    show.rows(rows, f"{asked.name}: {len(asked.texts)} texts, {len(asked.asked)} questions")


if __name__ == "__main__":
    typer.run(main)
