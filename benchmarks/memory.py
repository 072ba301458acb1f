"""How much of what a question needs is recalled: plain, BM25, RRF, simple mixtures, and ours, in one run.

python -m benchmarks.memory --data FILE [--json]

FILE is in LoCoMo's schema; every conversation is a memory of its own. A unit is some messages of one session,
four without --messages. `recall@5` is the mean share of a question's evidence among the messages of the first
five units, `chars@5` their mean length, `multi_hop@5` the same share where a question needs several places.
`recall_2000` and `multi_hop_2000` are the shares within 2,000 characters, by which methods compare: in whole
units in rank order, and the first that does not fit ends it. `convex` mixes plain and BM25 by score;
`neighbours` does so with single messages for units, each looked up together with those around it.

Ours is what ships: the recall graph with its minimum score. It delivers stretches of at most five sessions
within a budget, which is 2,000 characters for all of these (`budget`), and for `recall_shipped` and
`chars_shipped` what RAG_MAX_TOKENS allows. A message counts where it is delivered whole.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any

import typer
from langchain_core.documents import Document

import settings
from benchmarks import baselines, locomo, machine
from benchmarks.place import borrow_model
from parts import Parts
from stores.embeddings import Embedder
from stores.intake import Intake
from stores.ledger import Source
from stores.sameness import turn_of
from stores.upkeep import prepare
from terminal import show
from terminal.progress import Bar

TOP, BUDGET, MANY = 5, 2000, 100
Search = Callable[[str], list[Document]]


@dataclass(frozen=True)
class Method:
    """A way to recall: the first five, what 2,000 characters hold, and what is shipped where that is more."""

    first: Search
    within: Search
    shipped: Search | None = None


def measure(conversations: Sequence[locomo.Conversation], bar: Bar) -> list[dict[str, Any]]:
    """One row a method, with the settings that are shipped."""
    kept: dict[str, list[dict[str, float]]] = {}
    total = sum(len(conversation.asked) for conversation in conversations)
    done = iter(range(1, 10 * total))
    for conversation in conversations:
        with tempfile.TemporaryDirectory() as home, _memory(conversation, Path(home)) as (parts, ours):
            methods = _baselines(conversation, parts.embedder) | {"ours": ours}
            for name, method in methods.items():
                for asked in conversation.asked:
                    bar("asking", next(done), len(methods) * total)
                    kept.setdefault(name, []).append(_measured(method, asked, conversation.lines))
    return [{"method": name, "budget": BUDGET, **_means(rows)} for name, rows in kept.items()]


def _baselines(conversation: locomo.Conversation, embedder: Embedder) -> dict[str, Method]:
    units = conversation.units
    plain, bm25 = baselines.plain(units, embedder), baselines.bm25(units)
    searches = {
        "plain": plain,
        "bm25": bm25,
        "rrf": baselines.rrf([plain, bm25]),
        "convex": baselines.convex(units, embedder),
        "neighbours": _neighbours(conversation.lines, embedder),
    }
    return {name: _in_units(search) for name, search in searches.items()}


def _neighbours(lines: dict[str, str], embedder: Embedder) -> baselines.Search:
    """Single messages, each looked up with those around it in its session: the best of simple mixtures."""
    names, around = list(lines), []
    for at, name in enumerate(names):
        session = name.partition(":")[0]
        near = [one for one in names[max(at - 1, 0) : at + 2] if one.partition(":")[0] == session]
        around.append(Document("\n".join(lines[one] for one in near), metadata={"lines": [name]}))
    search = baselines.convex(around, embedder)

    def alone(question: str, k: int) -> list[Document]:
        found = (one.metadata for one in search(question, k))
        return [Document(lines[told["lines"][0]], metadata=told) for told in found]

    return alone


def _in_units(search: baselines.Search) -> Method:
    def within(question: str) -> list[Document]:
        found = search(question, MANY)
        ends = accumulate(len(unit.page_content) + 1 for unit in found)
        return [unit for unit, end in zip(found, ends, strict=True) if end <= BUDGET]

    return Method(lambda question: search(question, TOP), within)


@contextmanager
def _memory(conversation: locomo.Conversation, home: Path) -> Iterator[tuple[Parts, Method]]:
    """A conversation taken in as a log is, and the recall graph over it."""
    borrow_model(home)
    with Parts(settings.load(data_dir=home)) as parts:
        memories, model = parts.memories, parts.settings.embedding_model
        prepare(memories.collection, memories.ledger, model, lambda: parts.embedder, clear=False)
        intake = Intake(memories.collection, memories.ledger, memories.forgotten, lambda: parts.embedder)
        intake.take(Source(conversation.name, "1"), conversation.units)
        intake.flush()
        lines = {turn_of(unit).point: unit.metadata["lines"] for unit in conversation.units}

        def searching(room: int | None) -> Search:
            graph = parts.recalls_turns(memories.find, room)

            def search(question: str) -> list[Document]:
                found: list[Document] = graph.invoke({"question": question})["passages"]
                for item in found:
                    item.metadata["lines"] = [line for turn in item.metadata["turns"] for line in lines[turn]]
                return found

            return search

        first = searching(BUDGET)
        yield parts, Method(first, first, searching(None))


def _measured(method: Method, asked: locomo.Asked, lines: dict[str, str]) -> dict[str, float]:
    def share(found: Sequence[Document]) -> float:
        return len(asked.evidence & _told(found, lines)) / len(asked.evidence)

    started = time.perf_counter()
    first = method.first(asked.question)
    seconds = time.perf_counter() - started
    top, within = share(first), share(method.within(asked.question))
    measured = {
        f"recall@{TOP}": top,
        f"chars@{TOP}": _length(first),
        f"recall_{BUDGET}": within,
        "ms": 1000 * seconds,
    }
    if method.shipped:
        shipped = method.shipped(asked.question)
        measured |= {"recall_shipped": share(shipped), "chars_shipped": _length(shipped)}
    if asked.category == locomo.MULTI_HOP:
        measured |= {f"multi_hop@{TOP}": top, f"multi_hop_{BUDGET}": within}
    return measured


def _told(found: Sequence[Document], lines: dict[str, str]) -> set[str]:
    """The messages that are delivered whole."""
    return {line for one in found for line in one.metadata["lines"] if lines[line] in one.page_content}


def _length(found: Sequence[Document]) -> int:
    return sum(len(one.page_content) + 1 for one in found)


def _means(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    """The mean of each measure over the questions that have it; of the milliseconds the median."""

    def of(name: str) -> float:
        values = [row[name] for row in rows if name in row]
        if name == "ms":
            return round(statistics.median(values), 2)
        mean = statistics.fmean(values)
        return round(mean) if name.startswith("chars") else round(100 * mean, 1)

    return {name: of(name) for name in dict.fromkeys(name for row in rows for name in row)}


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
        described = {"set": data.stem, "messages": messages, "machine": machine.described()}
        show.as_json(described | {"rows": rows})
        return
    questions = sum(len(conversation.asked) for conversation in conversations)
    show.rows(rows, f"{data.stem}: {len(conversations)} conversations, {questions} questions")


if __name__ == "__main__":
    typer.run(main)
