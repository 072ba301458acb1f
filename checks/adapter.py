"""What `doctor` looks at of adapters: whether the newest is served, by a server that takes its rank."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from checks.told import Told
from errors import BadInput, PartMissing

if TYPE_CHECKING:
    from models.probe import Found

DOCKER_SECONDS = 10.0
MAX_RANK = re.compile(r"--max-lora-rank[= ](\d+)")
FIX = "run `make vllm-lora`"


def adapter(found: Found, folder: Path) -> Told:
    """Whether the adapter that was trained last is served, if any is, and the server takes its rank."""
    from training import keys, serving

    try:
        newest = serving.newest(folder)
    except BadInput:
        return Told("none yet: `make train`")
    try:
        rank = keys.served_rank(newest)
    except (BadInput, ValueError, TypeError, AttributeError) as error:
        return Told(f"{newest}: {error}", "train it anew, or remove the folder")
    return _served(found, newest.resolve().name, rank)


def _served(found: Found, name: str, rank: int) -> Told:
    from training import serving

    named = f"{name}, of rank {rank} as vLLM counts"
    most = _max_rank(f"devstral-{serving.SERVICE}")
    if most is not None and rank > most:
        return Told(f"{named}, and the container takes {most}", FIX)
    served = [str(entry["id"]) for entry in found.entries if entry.get("parent")]
    if name in served:
        return Told(f"{named}, is served")
    if served:
        return Told(f"{named}, is the newest, and {', '.join(served)} is served", FIX)
    if found.kind == "ollama":
        return Told(f"{named}; Ollama takes no adapters, `python -m training export` merges it")
    return Told(f"{named}, is not served: `make vllm-lora`")


def _max_rank(container: str) -> int | None:
    """What a container was started with, unless it has ended; None where docker does not tell."""
    from training.programs import asked

    if shutil.which("docker") is None:
        return None
    try:
        told = json.loads(asked(["docker", "inspect", "--type", "container", container], DOCKER_SECONDS))[0]
        ended = told["State"]["Status"] not in {"running", "restarting", "paused"}
        found = MAX_RANK.search(" ".join(map(str, told["Args"])))
    except (PartMissing, ValueError, LookupError, TypeError):
        return None
    return int(found[1]) if found and not ended else None
