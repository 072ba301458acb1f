"""Half an hour of load with faults on the real program: does it grow, does it lose count?

    python -m tests.proxy.soak --minutes 30 --rate 50

Each minute has calm, a server that fails, a memory that hangs, calm again, and a rest with a measurement.
The memory is real and held by another process, which is stopped to let it hang.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from benchmarks import sessions
from tests.proxy.alike import Prompt
from tests.proxy.process import Held, process
from tests.proxy.traffic import Load, Served
from tests.proxy.vibe.served import ROOT, Environment, Proxy, environment, ran, served

TURNS, A_SESSION = 300, 5
# Of each minute. At rest the connections of the load and of the proxy's own pool end.
CALM, FAILING, HANGING, REST = 0.5, 0.13, 0.13, 0.1
LEAST_REST = 6.0
# SQLite's caches are full by then, and its files as long as they get; of a shorter run a half.
WARM_UP_SECONDS = 600.0
MOST_MB_IN_TEN_MINUTES = 1.0
HOLD = """
import sys
from pathlib import Path
from stores.holder import Shared
shared = Shared(Path(sys.argv[1]))
shared.facts()
print("holding", flush=True)
sys.stdin.read()
"""


@dataclass
class Soak:
    """What was measured after each rest, and what the counts are in the end."""

    seconds: list[float] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    lines: int = 0

    def slope(self) -> float:
        """MB in ten minutes, after the warm-up."""
        warm = min(WARM_UP_SECONDS, self.seconds[-1] / 2)
        begin = next(at for at, seconds in enumerate(self.seconds) if seconds >= warm)
        times, sizes = self.seconds[begin:], [one.rss_mb for one in self.held[begin:]]
        return statistics.linear_regression(times, sizes).slope * 600 if len(times) > 2 else float("nan")

    def descriptors(self) -> tuple[int, int]:
        """The most at rest, in the first and in the last third; a few connections may still be closing."""
        third = max(len(self.held) // 3, 1)
        first, last = self.held[:third], self.held[-third:]
        return max(one.descriptors for one in first), max(one.descriptors for one in last)


def memory(home: Path, models: Path, turns: int) -> Environment:
    """A data folder with some turns about machines, and the environment of its user."""
    chosen = environment(home / "data", models)
    for first in range(0, turns, A_SESSION):
        told = [
            (str(turn), f"Which colour code has machine {turn}?", f"Machine {turn} has the code R{turn:05}.")
            for turn in range(first, first + A_SESSION)
        ]
        sessions.write(home / "logs", first, told, "/home/dev/shop")
    print(f"taken in: {json.loads(ran(chosen, 'ingest', str(home / 'logs'), '--json'))['new']} turns")
    return {**chosen, "RAG_DEADLINE_MS": "300"}


@contextmanager
def holder(chosen: Environment) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the memory."""
    place = str(Path(chosen["DATA_DIR"], "memory", "conversations"))
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, place],
        cwd=ROOT,
        env=chosen,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "holding\n"
        try:
            yield other
        finally:
            other.send_signal(signal.SIGCONT)
            other.terminate()


async def minute(load: Load, other: subprocess.Popen[str], seconds: float, rate: float) -> None:
    """One round of calm and faults, and a rest at its end."""
    await load.run(CALM * seconds, rate)
    await load.run(FAILING * seconds, rate, faults=True)
    other.send_signal(signal.SIGSTOP)
    try:
        await load.run(HANGING * seconds, rate)
    finally:
        other.send_signal(signal.SIGCONT)
    await load.run((1 - CALM - FAILING - HANGING - REST) * seconds, rate)


def measured(url: str) -> dict[str, float]:
    """The counters of the proxy by name and label."""
    with build_opener(ProxyHandler({})).open(f"{url}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (one.rsplit(" ", 1) for one in lines if one[0] != "#")}


def soak(
    home: Path, models: Path, rounds: Sequence[float], rate: float, turns: int = TURNS
) -> tuple[Soak, Load, Prompt]:
    """Rounds of so many seconds each; what was measured, and what both sides counted."""
    told, script = Soak(), Served()
    chosen = memory(home, models, turns)
    with Prompt(script) as upstream, holder(chosen) as other, served(upstream.url, chosen) as proxy:
        pid, load, began = process(upstream.url), Load(proxy.url), time.monotonic()
        for seconds in rounds:
            asyncio.run(minute(load, other, seconds, rate))
            time.sleep(max(REST * seconds, LEAST_REST))
            told.seconds.append(time.monotonic() - began)
            told.held.append(Held.by(pid))
            upstream.requests.clear()
            show(told, load)
        told.counts = measured(proxy.url)
        assert script.chats == load.chats, (script.chats, load.chats)
    told.lines = written(proxy)
    return told, load, upstream


def written(proxy: Proxy) -> int:
    """The lines of the log."""
    return sum(line.startswith("{") for line in proxy.told)


def show(told: Soak, load: Load) -> None:
    now = told.held[-1]
    print(
        f"{told.seconds[-1] / 60:5.1f} min  {load.sent:7} requests  RSS {now.rss_mb:6.1f} MB  "
        f"{now.descriptors:3} descriptors  {now.threads:3} threads  {len(load.wrong)} wrong",
        flush=True,
    )


def faults(told: Soak, load: Load, upstream: Prompt) -> list[str]:
    """Everything that is not as it should be."""
    answers = {
        re.findall('"(.*)"', name)[0]: value
        for name, value in told.counts.items()
        if name.startswith("recuerdo_answers_total")
    }
    chats = sum(value for name, value in told.counts.items() if name.startswith("recuerdo_requests_total"))
    left = sum(number for name, number in load.ended.items() if name.endswith(": left"))
    pairs = {
        "answers and requests": (sum(answers.values()), load.sent),
        "chats as they are counted and as they were sent": (chats, load.chats),
        "answers 499 and clients that left": (answers.get("499", 0), left),
        "clients gone and clients that left": (told.counts["recuerdo_clients_gone_total"], left),
        "requests that ended at the server and clients that left": (upstream.aborted, left),
        "requests that still run, beside the one that asks": (told.counts["recuerdo_requests_running"], 1),
        "lines in the log and requests": (told.lines, load.sent + 1),
        "lines dropped": (told.counts["recuerdo_log_lines_dropped"], 0),
    }
    found = [f"{name}: {one} and {other}" for name, (one, other) in pairs.items() if one != other]
    return [*found, *load.wrong[:20]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--rate", type=float, default=50.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        models = Path(os.environ.get("DATA_DIR", ROOT / "data")) / "models"
        models.mkdir(parents=True, exist_ok=True)
        told, load, upstream = soak(Path(home), models, [60.0] * asked.minutes, asked.rate)
    found = faults(told, load, upstream)
    before, after = told.descriptors()
    slope = told.slope()
    print(json.dumps({"ended": load.ended, "status": load.statuses}, indent=1))
    print(f"RSS {slope:+.2f} MB in ten minutes after the warm-up; descriptors {before}, in the end {after}")
    print("\n".join(found) or f"{load.sent} requests, every count adds up")
    flat = not slope >= MOST_MB_IN_TEN_MINUTES and after <= before
    print("passed" if flat and not found else "failed")
    return 0 if flat and not found else 1


if __name__ == "__main__":
    raise SystemExit(main())
