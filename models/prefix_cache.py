"""How much of the prompts a vLLM server had read before, from its own counters."""

from __future__ import annotations

import re

import httpx

SECONDS = 2.0
# One line an engine. What other caches count has other names; older servers say gpu_.
COUNTER = r"^vllm:(?:gpu_)?prefix_cache_{}_total(?:\{{.*\}})? ([0-9.eE+-]+)(?: \d+)?\s*$"


def hit_rate(root: str) -> float | None:
    """The share of prompt tokens that the prefix cache served since the start; None where it is not told."""
    try:
        text = httpx.get(f"{root}/metrics", timeout=SECONDS, trust_env=False).text
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    hits, queries = (_sum(name, text) for name in ("hits", "queries"))
    return round(hits / queries, 4) if queries else None


def _sum(name: str, text: str) -> float:
    return sum(map(float, re.findall(COUNTER.format(name), text, re.M)))
