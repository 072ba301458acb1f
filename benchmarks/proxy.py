"""What a proxy costs, side by side in one run, before a model server that is faster than all of them.

python -m benchmarks.proxy [--seconds 5] [--turns 10000] [--kilobytes 1] [--litellm PATH] [--json]

`direct`: no proxy. `nginx`: without buffering. `litellm`: LiteLLM's proxy, one worker; PATH is its program in
an environment of its own. `ours`: an empty memory. `ours_with_memory`: a memory of so many turns (made as
benchmarks/recall.py makes them) and a one-line question, different each time, so that each is looked up;
`looked_up` is the share that was, the others went on without. `ours_off`: the client switched memory off.

`added`: time to the first byte of the body, less that of `direct`. One request at a time, twenty to each in
an order that changes, so that noise hits all alike; then 64 at once to a server that begins after 50 ms and
takes 10 ms a token. Requests a second and processor time: 64 at once to a server that answers instantly. A
second table: many streams open at once, a token every 100 ms (benchmarks/streams.py). Load, server and proxy
share the processor, so compare within a run.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

import settings
from benchmarks import instant, load, machine, recall, servers, streams, words
from benchmarks.place import borrow_model
from benchmarks.servers import Running
from parts import Parts
from terminal import show
from terminal.progress import Bar

LITELLM = Path(".venv-litellm/bin/litellm")
CLIENTS, WARM, ANSWER_WORDS = 64, 20, 60
CROWDED = ("direct", "nginx", "ours")
LOOKED_UP = {"injected", "none"}
WARM_SECONDS = 60.0


@dataclass(frozen=True)
class Plan:
    """How much to measure; `seconds` is for each method in each of three parts."""

    seconds: float = 5.0
    turns: int = 10_000
    kilobytes: int = 1
    litellm: Path = LITELLM
    streams: int = 1000


@dataclass(frozen=True)
class Heavy:
    """What 64 clients at once were answered: by a model that takes its time, and by an instant one."""

    paced: load.Load
    full: load.Load
    cpu_seconds: float | None
    rss_mb: float | None


def measure(plan: Plan, home: Path, bar: Bar) -> dict[str, Any]:
    """One row a method, and one a method that carried the many streams."""
    _allow_many_connections()
    with contextlib.ExitStack() as opened:
        upstream = opened.enter_context(instant.serving())
        running = {"direct": Running(upstream)} | _start(plan, upstream, home, bar, opened)
        with asyncio.Runner(loop_factory=instant.loop_factory) as runner:
            rows, crowds = runner.run(_measure(plan, running, bar))
    if "nginx" not in running:
        rows.insert(1, dict.fromkeys(rows[0]) | {"method": "nginx", "note": "not installed"})
    return {"set": f"{plan.kilobytes} kB a request, {plan.turns} turns", "rows": rows, "streams": crowds}


def _start(
    plan: Plan, upstream: int, home: Path, bar: Bar, opened: contextlib.ExitStack
) -> dict[str, Running]:
    folders = {name: home / name for name in ("nginx", "litellm", "ours", "ours_with_memory")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    borrow_model(folders["ours"])
    _remember(plan.turns, folders["ours_with_memory"], bar)
    ways = {}
    if servers.NGINX.exists():
        ways["nginx"] = servers.nginx(upstream, folders["nginx"])
    if plan.litellm.exists():
        ways["litellm"] = servers.litellm(
            plan.litellm.absolute(), upstream, folders["litellm"], ["instant", *instant.PACES]
        )
    for name in ("ours", "ours_with_memory"):
        ways[name] = servers.ours(upstream, folders[name])
    running = {name: opened.enter_context(way) for name, way in ways.items()}
    return running | {"ours_off": replace(running["ours"], headers=b"x-rag-mode: off\r\n")}


def _remember(turns: int, home: Path, bar: Bar) -> None:
    borrow_model(home)
    with Parts(settings.load(data_dir=home)) as parts:
        parts.memories.ingest(home)
        chance = random.Random(0)  # noqa: S311  # repeatable on purpose
        for points in recall.points(turns, parts.embedder, chance, bar, _turn):
            parts.memories.collection.upsert(points)
        parts.memories.collection.settle()


def _turn(chance: random.Random) -> str:
    """A question like those that will be asked, and some answer."""
    return f"User: {words.question(chance)}\nAssistant: {words.text(chance, ANSWER_WORDS)}"


async def _measure(
    plan: Plan, running: Mapping[str, Running], bar: Bar
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    questions = load.Questions(plan.kilobytes)
    for one in running.values():
        await _warm(one, questions)
    bar("one at a time", 0, 1)
    alone = await load.in_turn(running, questions, plan.seconds * len(running))
    heavy: dict[str, Heavy] = {}
    for name, one in running.items():
        bar("64 at once", len(heavy), len(running))
        heavy[name] = await _heavy(one, questions, plan.seconds)
    rows = [_row(name, alone, heavy) for name in running]
    bar("many streams", 0, 1)
    return rows, await streams.measure(running, CROWDED, questions, plan.streams)


async def _warm(one: Running, questions: load.Questions) -> None:
    """Ask until the answers come as they will, the memory's model loaded."""
    until = time.monotonic() + WARM_SECONDS
    answers = {"instant": [load.Answer()]}
    while time.monotonic() < until and (
        len(answers["instant"]) < WARM or answers["instant"][-1].status == "degraded"
    ):
        answers["instant"] += (await load.in_turn({"instant": one}, questions, 0.2))["instant"]


async def _heavy(one: Running, questions: load.Questions, seconds: float) -> Heavy:
    spread = instant.PACES["paced"].seconds
    paced = await load.at_once(one.port, questions.all("paced", one.headers), CLIENTS, seconds, spread)
    before = one.processor_seconds or 0.0
    full = await load.at_once(one.port, questions.all("instant", one.headers), CLIENTS, seconds, 0.0)
    after = one.processor_seconds
    return Heavy(paced, full, None if after is None else after - before, one.rss_mb)


def _row(name: str, alone: Mapping[str, list[load.Answer]], heavy: Mapping[str, Heavy]) -> dict[str, Any]:
    own, base = (_firsts(alone[one]) for one in (name, "direct"))
    under, asked = heavy[name], alone[name]
    answered, cpu, rss = len(under.full.whole), under.cpu_seconds, under.rss_mb
    everything = [*asked, *under.paced.answers, *under.full.answers]
    return {
        "method": name,
        "p50_ms": load.ms(own, 0.5),
        "added_p50_ms": _added(own, base, 0.5),
        "added_p95_ms": _added(own, base, 0.95),
        "added_c64_p50_ms": _added(_firsts(under.paced.answers), _firsts(heavy["direct"].paced.answers), 0.5),
        "requests_per_second": round(answered / under.full.seconds, 1),
        "cpu_ms_per_request": None if cpu is None else round(1000 * cpu / max(answered, 1), 3),
        "rss_mb": None if rss is None else round(rss, 1),
        "failed": sum(not answer.whole for answer in everything),
        "looked_up": _looked_up(asked),
        "looked_up_c64": _looked_up([*under.paced.answers, *under.full.answers]),
        "note": None,
    }


def _looked_up(answers: list[load.Answer]) -> float:
    return round(sum(answer.status in LOOKED_UP for answer in answers) / len(answers), 3)


def _firsts(answers: list[load.Answer]) -> list[float]:
    return [answer.first for answer in answers if answer.whole]


def _added(seconds: list[float], base: list[float], share: float) -> float | None:
    mine, theirs = load.ms(seconds, share), load.ms(base, share)
    return None if mine is None or theirs is None else round(mine - theirs, 2)


def _allow_many_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(
    seconds: Annotated[float, typer.Option(help="For each method in each part.")] = 5.0,
    turns: Annotated[int, typer.Option(help="How many turns the memory holds.")] = 10_000,
    kilobytes: Annotated[int, typer.Option(help="How large a request is.")] = 1,
    litellm: Annotated[Path, typer.Option(help="LiteLLM's program.")] = LITELLM,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare what proxies cost."""
    plan = Plan(seconds, turns, kilobytes, litellm)
    with tempfile.TemporaryDirectory() as home, Bar() as bar:
        facts = measure(plan, Path(home), bar)
    if json:
        show.as_json(facts | {"machine": machine.described()})
        return
    show.rows(facts["rows"], facts["set"])
    show.rows(facts["streams"], f"{plan.streams} streams at once")


if __name__ == "__main__":
    typer.run(main)
