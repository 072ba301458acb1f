"""How much of what a question needs is recalled: plain, BM25, RRF and ours over the same units in one run.

python -m benchmarks.memory --data FILE [--json]

FILE is in LoCoMo's schema; every conversation is a memory of its own. A unit is some messages of one session,
four without --messages. `recall@5` is the mean share of a question's evidence among the messages of the first
five units, `chars@5` their mean length, `recall_2000` the share among the units that fit 2,000 characters in
rank order (whole units; the first that does not fit ends it). Ours is what ships: the recall graph with its
minimum score, two of five from one session, near-duplicates folded.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from langchain_core.documents import Document

import settings
from benchmarks import baselines, locomo
from benchmarks.place import borrow_model
from parts import Parts
from stores.intake import Intake
from stores.ledger import Source
from stores.upkeep import prepare
from terminal import show
from terminal.progress import Bar

TOP, BUDGET, MANY = 5, 2000, 20


def measure(conversations: Sequence[locomo.Conversation], bar: Bar) -> list[dict[str, Any]]:
    """One row a method, with the settings that are shipped."""
    kept: dict[str, list[dict[str, float]]] = {}
    total = sum(len(conversation.asked) for conversation in conversations)
    done = iter(range(1, 10 * total))
    for conversation in conversations:
        with tempfile.TemporaryDirectory() as home, _memory(conversation, Path(home)) as (parts, ours):
            plain = baselines.plain(conversation.units, parts.embedder)
            bm25 = baselines.bm25(conversation.units)
            methods = {"plain": plain, "bm25": bm25, "rrf": baselines.rrf([plain, bm25]), "ours": ours}
            for name, search in methods.items():
                for asked in conversation.asked:
                    bar("asking", next(done), len(methods) * total)
                    kept.setdefault(name, []).append(_measured(search, asked, conversation.lines))
    return [{"method": name, **_means(rows)} for name, rows in kept.items()]


@contextmanager
def _memory(conversation: locomo.Conversation, home: Path) -> Iterator[tuple[Parts, baselines.Search]]:
    """A conversation taken in as a log is, and the recall graph over it."""
    borrow_model(home)
    with ExitStack() as stack:
        parts = stack.enter_context(Parts(settings.load(data_dir=home)))
        many = stack.enter_context(Parts(settings.load(data_dir=home, memory_top_k=MANY)))
        memories, model = parts.memories, parts.settings.embedding_model
        prepare(memories.collection, memories.ledger, model, lambda: parts.embedder, clear=False)
        intake = Intake(memories.collection, memories.ledger, memories.forgotten, lambda: parts.embedder)
        intake.take(Source(conversation.name, "1"), conversation.units)
        intake.flush()

        few, more = (some.recalls_turns(some.memories.find) for some in (parts, many))

        def search(question: str, k: int) -> list[Document]:
            graph = few if k <= TOP else more
            found: list[Document] = graph.invoke({"question": question})["passages"]
            return found

        yield parts, search


def _measured(search: baselines.Search, asked: locomo.Asked, lines: dict[str, str]) -> dict[str, float]:
    started = time.perf_counter()
    first = search(asked.question, TOP)
    seconds = time.perf_counter() - started
    top, length = _delivered(first[:TOP], lines, None)
    within, _ = _delivered(search(asked.question, MANY), lines, BUDGET)
    share = len(asked.evidence & top) / len(asked.evidence)
    measured = {
        f"recall@{TOP}": share,
        f"chars@{TOP}": length,
        f"recall_{BUDGET}": len(asked.evidence & within) / len(asked.evidence),
        "ms": 1000 * seconds,
    }
    return measured | ({f"multi_hop@{TOP}": share} if asked.category == locomo.MULTI_HOP else {})


def _delivered(units: Sequence[Document], lines: dict[str, str], budget: int | None) -> tuple[set[str], int]:
    """The messages that are delivered, and how many characters they are."""
    told: set[str] = set()
    length = 0
    for unit in units:
        more = sum(len(lines[name]) + 1 for name in unit.metadata["lines"])
        if budget is not None and length + more > budget:
            break
        told.update(unit.metadata["lines"])
        length += more
    return told, length


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    def of(name: str, mean: Callable[[list[float]], float] = statistics.fmean) -> float:
        return mean([row[name] for row in rows if name in row])

    return {
        f"recall@{TOP}": round(100 * of(f"recall@{TOP}"), 1),
        f"chars@{TOP}": round(of(f"chars@{TOP}")),
        f"recall_{BUDGET}": round(100 * of(f"recall_{BUDGET}"), 1),
        f"multi_hop@{TOP}": round(100 * of(f"multi_hop@{TOP}"), 1),
        "ms": round(of("ms", statistics.median), 2),
    }


def main(
    data: Annotated[Path, typer.Option(help="A file in LoCoMo's schema.")],
    messages: Annotated[int, typer.Option(min=1, help="How many messages a unit is.")] = 4,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare methods of recall on conversations."""
    conversations = locomo.load(data, messages)
    with Bar() as bar:
        rows = measure(conversations, bar)
    if json:
        show.as_json({"set": data.stem, "messages": messages, "rows": rows})
        return
    questions = sum(len(conversation.asked) for conversation in conversations)
    show.rows(rows, f"{data.stem}: {len(conversations)} conversations, {questions} questions")


if __name__ == "__main__":
    typer.run(main)
