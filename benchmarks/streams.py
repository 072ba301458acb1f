"""Many streams open at once through one server: what is dropped, and how long an event is under way.

Part of `python -m benchmarks.proxy`. The events tell when they were sent (benchmarks/instant.py), and
the delay of `direct` is what load and server cost by themselves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks import load
from benchmarks.servers import Running

SAMPLE_SECONDS = 0.5


async def measure(
    running: Mapping[str, Running], methods: Iterable[str], questions: load.Questions, count: int
) -> list[dict[str, Any]]:
    """One row a method, one after the other."""
    return [await _row(name, running[name], questions, count) for name in methods if name in running]


async def _row(name: str, one: Running, questions: load.Questions, count: int) -> dict[str, Any]:
    work = asyncio.create_task(load.crowd(one.port, questions.all("crowd", one.headers), count))
    most = 0.0
    while not work.done():
        most = max(most, one.rss_mb or 0.0)
        await asyncio.wait([work], timeout=SAMPLE_SECONDS)
    done = work.result()
    delays = [delay for answer in done.answers for delay in answer.delays]
    return {
        "method": name,
        "streams": count,
        "dropped": count - len(done.whole),
        "first_p50_ms": load.ms([answer.first for answer in done.whole], 0.5),
        "chunk_p50_ms": load.ms(delays, 0.5),
        "chunk_p99_ms": load.ms(delays, 0.99),
        "seconds": round(done.seconds, 2),
        "rss_mb": round(most, 1) if one.pid else None,
    }
