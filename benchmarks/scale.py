"""How one machine carries a large memory: what it takes to build and to keep, how it answers many clients.

python -m benchmarks.scale [--memories 1000000] [--clients 50] [--seconds 30] [--home DIR] [--json]

The memories are those of benchmarks/recall.py: invented words, vectors turned a little from two thousand that
were really embedded, two of them a memory, as a short question and a short answer have. Engine, indexes,
files, proxy and the questions' embedding are real. The model server answers instantly, so that what a request
takes is what the proxy and its memory take.

Three ways to ask, each question another one. `one`: one client. `pause`: all clients, each PAUSE seconds
after its last answer, as people with agents ask. `rush`: all clients, each again at once. `added`:
milliseconds to the first byte, less those of the model server asked directly by one client. `looked_up`: the
share whose memory was searched in RAG_DEADLINE_MS; the others went on without (`degraded`). Load, model
server and proxy share the processor. With --home the memory stays there, and the next time it is taken as it
is.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

import settings
from benchmarks import instant, load, machine, recall, servers, spent, words
from benchmarks.place import borrow_model
from benchmarks.servers import Running
from parts import Parts
from terminal import show
from terminal.progress import Bar

ANSWER_WORDS, HEAP_WORDS, KILOBYTES = 60, 200_000, 1
WARM, WARM_SECONDS = 20, 120.0
PAUSE = 2.0
REST_SECONDS = 1.0
LOOKED_UP = {"injected", "none"}
SHARES = (0.5, 0.95, 0.99)
TIMES = ("written_s", "written_cpu_s", "graph_s", "graph_cpu_s")
# The engine's folders in a segment, by what is in them; whatever else there is are its indexes and ids.
KINDS = {
    "payload_storage": "payload",
    "vector_storage-windows": "vectors",
    "vector_index-windows": "graph",
    "vector_storage-words": "words",
    "vector_index-words": "words",
}


@dataclass(frozen=True)
class Plan:
    """How many memories, how many clients at once, and for how long they ask."""

    memories: int = 1_000_000
    clients: int = 50
    seconds: float = 30.0


@dataclass(frozen=True)
class Built:
    """What the memory took: seconds, and processor seconds, to write it and to build its graph."""

    seconds: dict[str, float | None]
    bytes_each: dict[str, float]


def measure(plan: Plan, home: Path, bar: Bar) -> dict[str, Any]:
    """What it took to build and to ask, and the bytes of each memory by what they are for."""
    built = _build(plan.memories, home, bar)
    with instant.serving() as upstream, servers.ours(upstream, home) as ours:
        with asyncio.Runner(loop_factory=instant.loop_factory) as runner:
            rows = runner.run(_ask(plan, Running(upstream), ours, bar))
        rss = {"rss_mb": ours.rss_mb, "rss_own_mb": _own_mb(ours.pid)}
    disk = sum(built.bytes_each.values())
    held = {
        "memories": plan.memories,
        **built.seconds,
        "disk_mb": round(disk * plan.memories / 1e6, 1),
        **{name: None if mb is None else round(mb, 1) for name, mb in rss.items()},
        **{f"{kind}_bytes": round(size, 1) for kind, size in sorted(built.bytes_each.items())},
        "bytes_each": round(disk, 1),
    }
    return {"plan": asdict(plan), "held": held, "asked": rows}


def _build(memories: int, home: Path, bar: Bar) -> Built:
    if (home / "models").exists():
        return Built(dict.fromkeys(TIMES), _sizes(home, memories))
    borrow_model(home)
    chance = random.Random(0)  # noqa: S311  # repeatable on purpose
    with Parts(settings.load(data_dir=home)) as parts:
        parts.memories.ingest(home)
        collection = parts.memories.collection
        clocks = [_clocks()]
        for number, points in enumerate(recall.points(memories, parts.embedder, chance, bar, _turns(chance))):
            bar("writing", number * recall.BATCH, memories, f"{_clocks()[0] - clocks[0][0]:.0f} s")
            collection.upsert(points)
        clocks.append(_clocks())
        bar("building the graph", 0, 1)
        collection.settle()
        clocks.append(_clocks())
    spent_s = [round(end - start, 1) for one in pairwise(clocks) for start, end in zip(*one, strict=True)]
    return Built(dict(zip(TIMES, spent_s, strict=True)), _sizes(home, memories))


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _turns(chance: random.Random) -> recall.Say:
    """Questions like those that will be asked, with some answer; words are drawn from a heap, for speed."""
    heap = words.text(chance, HEAP_WORDS).split()

    def say(chance: random.Random) -> str:
        return f"User: {words.question(chance)}\nAssistant: {' '.join(chance.choices(heap, k=ANSWER_WORDS))}"

    return say


def _sizes(home: Path, memories: int) -> dict[str, float]:
    """Bytes on the disk a memory, by what they are for."""
    sizes: Counter[str] = Counter()
    for file in (home / "memory").rglob("*"):
        if file.is_file():
            kinds = [KINDS[part] for part in file.parts if part in KINDS]
            sizes[kinds[0] if kinds else "other"] += file.stat().st_blocks * 512
    return {kind: size / memories for kind, size in sizes.items()}


def _own_mb(pid: int | None) -> float | None:
    """Memory that cannot be given back; pages of files the system drops when it is short."""
    with contextlib.suppress(OSError):
        told = (spent.PROC / str(pid) / "status").read_text().split("RssAnon:")[1]
        return int(told.split()[0]) / 1000
    return None


async def _ask(plan: Plan, direct: Running, ours: Running, bar: Bar) -> list[dict[str, Any]]:
    questions = load.Questions(KILOBYTES)
    await _warm(ours, questions)
    bar("one at a time", 0, 3)
    alone = await load.in_turn({"direct": direct, "ours": ours}, questions, plan.seconds)
    base = [answer.first for answer in alone["direct"] if answer.whole]
    rows = [_row("one", load.Load(alone["ours"], sum(one.first for one in alone["ours"])), base)]
    for way, pause in (("pause", PAUSE), ("rush", 0.0)):
        bar(f"{plan.clients} at once", len(rows), 3)
        await asyncio.sleep(REST_SECONDS)
        rows.append(_row(way, await _crowd(ours.port, questions, plan, pause), base))
    return rows


async def _warm(ours: Running, questions: load.Questions) -> None:
    """Ask until the memory answers, its model and its pages loaded."""
    until, statuses = time.monotonic() + WARM_SECONDS, [""]
    while time.monotonic() < until and (len(statuses) < WARM or statuses[-1] not in LOOKED_UP):
        answers = (await load.in_turn({"ours": ours}, questions, 0.2))["ours"]
        statuses += [answer.status for answer in answers]


async def _crowd(port: int, questions: load.Questions, plan: Plan, pause: float) -> load.Load:
    """So many clients, each asking again so long after it was answered; they do not begin together."""
    answers: list[load.Answer] = []
    began = time.monotonic()

    async def client(number: int) -> None:
        await asyncio.sleep(pause * number / plan.clients)
        line = await load.dial(port)
        while time.monotonic() < began + plan.seconds:
            if not line.open:
                line = await load.dial(port)
            answers.append(await line.ask(questions.one("instant")))
            await asyncio.sleep(pause)
        line.close()

    async with asyncio.timeout(plan.seconds + load.PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        for number in range(plan.clients):
            group.create_task(client(number))
    return load.Load(answers, time.monotonic() - began)


def _row(way: str, asked: load.Load, base: Sequence[float]) -> dict[str, Any]:
    whole = asked.whole
    count = max(len(whole), 1)
    statuses = Counter(answer.status for answer in whole)
    times = [answer.first for answer in whole]
    return {
        "way": way,
        **{f"added_p{share * 100:.0f}_ms": _added(times, base, share) for share in SHARES},
        "requests": len(whole),
        "requests_per_second": round(len(whole) / asked.seconds, 1),
        "looked_up": round(sum(statuses[status] for status in LOOKED_UP) / count, 3),
        "degraded": round(statuses["degraded"] / count, 3),
        "failed": len(asked.answers) - len(whole),
    }


def _added(times: Sequence[float], base: Sequence[float], share: float) -> float | None:
    """Against the median of the base: a slow answer is not excused by a slow one elsewhere."""
    own, usual = load.ms(times, share), load.ms(base, 0.5)
    return None if own is None or usual is None else round(own - usual, 2)


@contextlib.contextmanager
def _place(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)


def main(
    memories: Annotated[int, typer.Option(help="How many turns the memory holds.")] = 1_000_000,
    clients: Annotated[int, typer.Option(help="How many ask at once.")] = 50,
    seconds: Annotated[float, typer.Option(help="How long each part asks.")] = 30.0,
    home: Annotated[Path | None, typer.Option(help="Keep the memory there.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure a large memory on this machine."""
    with _place(home) as place, Bar() as bar:
        facts = measure(Plan(memories, clients, seconds), place, bar)
    if json:
        show.as_json(facts | {"machine": machine.described()})
        return
    show.rows([facts["held"]], f"{memories:,} memories, built and kept")
    show.rows(facts["asked"], f"Asked by one client, and by {clients} with and without a pause")


if __name__ == "__main__":
    typer.run(main)
