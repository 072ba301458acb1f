"""How questions about a person's own passages are answered: by whom, how soon, and what the filter lost."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
from langchain_core.documents import Document

from benchmarks import baselines
from benchmarks.own_questions import Question, flat
from loaders.passages import split
from parts import Parts
from stores.corpus import Corpus
from stores.embeddings import Embedder
from stores.lexical import Lexical
from terminal.progress import Bar

DEPTH, FIRST, EXAMPLES = 10, 5, 3
SAMPLE_FILES, SAMPLE_PASSAGES = 5, 40
METHODS = ("plain", "bm25", "ours")
STEPS = ("embedding", "dense", "lexical", "whole")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome:
    """One question: where each method has its passage (0: not among ten), its cosine, and what it took.

    `delivered` is what a person gets: among the first DOCUMENTS_TOP_K that reach MIN_SCORE, where the
    confidence reaches MIN_CONFIDENCE.
    """

    question: Question
    ranks: dict[str, int]
    delivered: bool
    score: float | None
    ms: dict[str, float]


class Asking:
    """The index of the folder as it is now, and the usual alternatives beside it."""

    def __init__(self, parts: Parts, corpus: Corpus, lexical: Lexical) -> None:
        self._parts, self._lexical = parts, lexical
        self._near = baselines.nearest(corpus.vectors)
        self._methods = {
            "plain": _plain(corpus, parts.embedder),
            "bm25": baselines.bm25(corpus.passages),
            "ours": parts.find,
        }

    def outcome(self, question: Question) -> Outcome:
        """Ask every method, then each stage of ours that can be asked alone."""
        text, embedder = question.text, self._parts.embedder
        found, whole = _timed(lambda: self._methods["ours"](text, DEPTH))
        vector, embedding = _timed(lambda: embedder.query(text))
        _, dense = _timed(lambda: self._near(vector, baselines.POOL))
        _, lexical = _timed(lambda: self._lexical.scores(self._lexical.read(text)))
        ranks = {
            name: _rank(found if name == "ours" else self._methods[name](text, DEPTH), question)
            for name in METHODS
        }
        own = found[ranks["ours"] - 1].metadata["score"] if ranks["ours"] else None
        told = self._parts.recall(text)
        likely = told["confidence"] is None or told["confidence"] >= self._parts.settings.min_confidence
        delivered = likely and _rank(told["passages"], question) > 0
        ms = dict(zip(STEPS, (embedding, dense, lexical, whole), strict=True))
        return Outcome(question, ranks, delivered, own, ms)

    def outcomes(self, questions: Sequence[Question], bar: Bar) -> list[Outcome]:
        """All questions, after one that loads what is slow."""
        self.outcome(questions[0])
        told = []
        for done, question in enumerate(questions, start=1):
            bar("asking", done, len(questions))
            told.append(self.outcome(question))
        return told


def _rank(found: Iterable[Document], question: Question) -> int:
    ranks = (rank for rank, hit in enumerate(found, 1) if question.answered_by(flat(hit.page_content)))
    return next(ranks, 0)


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    started = time.perf_counter()
    result = work()
    return result, 1000 * (time.perf_counter() - started)


def _plain(corpus: Corpus, embedder: Embedder) -> baselines.Search:
    """One vector a passage, of its first window: what the usual recipe keeps, which cuts the rest off."""
    vectors = corpus.vectors[_firsts(corpus.windows)]
    last = embedder.windows([corpus.passages[-1].page_content])[0][0]
    if float(last @ vectors[-1]) < 0.999:  # the index holds vectors of more than the text: these are its own
        made, windows = embedder.windows([passage.page_content for passage in corpus.passages])
        vectors = made[_firsts(windows)]
    near = baselines.nearest(np.ascontiguousarray(vectors))
    return lambda question, k: [corpus.passages[row] for row in near(embedder.query(question), k)]


def _firsts(windows: Sequence[int]) -> list[int]:
    return [0, *accumulate(windows)][:-1]


def rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """One row a method: the right passage among the first, in per cent."""
    return [_row(method, [one.ranks[method] for one in outcomes]) for method in METHODS]


def _row(method: str, ranks: Sequence[int]) -> dict[str, Any]:
    hits = {f"hit@{k}": percent(sum(0 < rank <= k for rank in ranks), len(ranks)) for k in (1, 3, 5)}
    mrr = round(100 * statistics.fmean(1 / rank if rank else 0.0 for rank in ranks), 1)
    return {"method": method, "questions": len(ranks), **hits, f"mrr@{DEPTH}": mrr}


def percent(part: int, whole: int) -> float:
    """A share in per cent."""
    return round(100 * part / whole, 1) if whole else 0.0


def by_language(outcomes: Sequence[Outcome]) -> dict[str, list[dict[str, Any]]]:
    """The same for each language, where there are several."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        groups[one.question.language].append(one)
    return {name: rows(group) for name, group in sorted(groups.items())} if len(groups) > 1 else {}


def lost_to_filter(outcomes: Sequence[Outcome], top_k: int) -> dict[str, Any]:
    """Questions whose passage was among the first k but not delivered, the worst first."""
    lost = [one for one in outcomes if 0 < one.ranks["ours"] <= top_k and not one.delivered]
    worst = sorted(lost, key=lambda one: one.score or 0.0)[:EXAMPLES]
    return {
        "lost": len(lost),
        "share": percent(len(lost), len(outcomes)),
        "worst": [
            {"question": one.question.text, "file": one.question.file, "score": one.score} for one in worst
        ],
    }


def never_found(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The files of which no question found its passage among the first five."""
    found: dict[str, list[bool]] = defaultdict(list)
    for one in outcomes:
        found[one.question.file].append(0 < one.ranks["ours"] <= FIRST)
    return [{"file": file, "questions": len(hits)} for file, hits in sorted(found.items()) if not any(hits)]


def steps(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Median milliseconds of each stage of a question; the rest is mixing and what is not seen."""
    medians = {name: statistics.median(one.ms[name] for one in outcomes) for name in STEPS}
    rest = medians["whole"] - sum(medians[name] for name in STEPS[:-1])
    return {name: round(value, 2) for name, value in {**medians, "rest": max(rest, 0.0)}.items()}


def slowest(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """The questions that took longest."""
    ordered = sorted(outcomes, key=lambda one: -one.ms["whole"])[:EXAMPLES]
    return [{"question": one.question.text, "ms": round(one.ms["whole"], 2)} for one in ordered]


def indexing(parts: Parts) -> dict[str, Any]:
    """Milliseconds a passage of reading and of embedding, over some files of the folder, one by one."""
    chosen, sources = parts.settings, parts.listing.sources
    sample = sources[:: max(1, len(sources) // SAMPLE_FILES)][:SAMPLE_FILES]
    parts.read(sample[0])  # starts the child process
    read, reading = _timed(lambda: [page for source in sample for page in parts.read(source).documents])
    passages = split(read, chosen.chunk_size, chosen.chunk_overlap)
    texts = [passage.page_content for passage in passages[:SAMPLE_PASSAGES]]
    if not texts:
        return {"passages": 0, "reading_ms": None, "embedding_ms": None}
    _, embedding = _timed(lambda: parts.embedder.windows(texts))
    return {
        "passages": len(texts),
        "reading_ms": round(reading / len(passages), 2),
        "embedding_ms": round(embedding / len(texts), 2),
    }
