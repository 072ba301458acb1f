"""How much of the prompts a vLLM server had read before, from its own counters."""

from __future__ import annotations

import re

import httpx

SECONDS = 2.0
COUNTER = r"^vllm:prefix_cache_{}_total(?:\{{[^}}]*\}})? (\S+)$"


def hit_rate(root: str) -> float | None:
    """The share of prompt tokens that the prefix cache served since the start; None where it is not told."""
    try:
        text = httpx.get(f"{root}/metrics", timeout=SECONDS, trust_env=False).text
    except httpx.HTTPError:
        return None
    hits, queries = (
        sum(map(float, re.findall(COUNTER.format(name), text, re.M))) for name in ("hits", "queries")
    )
    return round(hits / queries, 4) if queries else None
