"""The model server with an adapter: started for what that needs, waited for, and asked whether it acts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import BadInput, ModelFailed, PartMissing
from training import adapter as folders
from training import keys, probing, programs, recipe

ROOT = Path(__file__).resolve().parents[1]
SERVICE, ALONE = "vllm-lora", "vllm"
COMPOSE = ("docker", "compose", "--profile", SERVICE, "--profile", ALONE)
# Compose wants them for any service of its file; these two have none.
KEYLESS = {"QDRANT_API_KEY": "-", "RAG_PROXY_API_KEY": "-"}
# vLLM's name for how each family writes a tool call.
PARSERS = {"devstral": "mistral", "gpt-oss": "openai", "smollm2": "hermes"}
PAUSE_SECONDS, SOON_SECONDS = 1.0, 20.0
Say = Callable[..., None]


@dataclass(frozen=True)
class Patience:
    """Where the server will answer, and how long its model may take to be loaded [s]."""

    endpoint: str
    seconds: float


def newest(adapters: Path) -> Path:
    """The adapter that was trained last.

    Raises:
        BadInput: there is none.
    """
    found = [path.parent for path in adapters.glob(f"*/{folders.FACTS}") if path.parent.name[0] != "."]
    if not found:
        raise BadInput(f"No adapter lies in {adapters}: train one with `make train`, or name one.")
    return max(found, key=lambda path: (path / folders.FACTS).stat().st_mtime)


def must_have_compose() -> None:
    """Refuse where no container can be started.

    Raises:
        PartMissing: there is no Docker here, or it has no Compose.
    """
    if shutil.which("docker") is None:
        raise PartMissing("There is no `docker` on the PATH: install Docker Engine with its Compose plugin.")
    try:
        programs.asked(["docker", "compose", "version"], SOON_SECONDS)
    except PartMissing as error:
        raise PartMissing("This docker has no Compose: install its Compose plugin.") from error


def serve(adapter: Path, cache: Path, patience: Patience, say: Say) -> dict[str, Any]:
    """Start the server with an adapter in the place of the model alone; what `prove` finds there.

    Raises:
        BadInput: no adapter, or one that would not act. PartMissing: docker is not there, or fails.
        ModelFailed: the server does not come up.
    """
    given = _given(adapter, cache)
    must_have_compose()
    _compose(["stop", ALONE], {})
    _compose(["up", "--detach", SERVICE], given)
    where = probing.Where(
        patience.endpoint, _awaited(patience, given["LORA_NAME"], say), given["LORA_NAME"], cache
    )
    return probing.prove(adapter, where, None, "") | {
        "name": given["LORA_NAME"],
        "rank": int(given["LORA_RANK"]),
    }


def _given(adapter: Path, cache: Path) -> dict[str, str]:
    """What docker-compose.yml is told of an adapter."""
    folders.probes(adapter)  # refuses what is none
    chosen = recipe.load(adapter / folders.RECIPE)
    rank = keys.served_rank(adapter)
    if problems := probing.problems(adapter, cache, rank):
        raise BadInput(f"{adapter} would not act: {problems[0]}")
    told = {"LORA_PATH": str(adapter.resolve()), "LORA_NAME": adapter.resolve().name, "LORA_RANK": str(rank)}
    if not re.fullmatch(r"[\w.-]+", told["LORA_NAME"]):
        raise BadInput(f"{adapter.name} is no name for a served model: use letters, digits, _, . and -.")
    config = json.loads((adapter / folders.CONFIG).read_text(encoding="utf-8"))
    if re.fullmatch(r"[\w.-]+/[\w.-]+", base := config["base_model_name_or_path"]):
        told["VLLM_MODEL"] = base
    return told | {"VLLM_TOOL_PARSER": PARSERS[chosen.family]}


def _compose(words: list[str], told: dict[str, str]) -> None:
    """Run Compose, which shows its own progress: an image may have to be fetched."""
    program = ["env", *(f"{name}={value}" for name, value in (KEYLESS | told).items()), *COMPOSE, *words]
    done = subprocess.run(program, cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise PartMissing(f"`docker compose {' '.join(words)}` failed: see above.")


def _awaited(patience: Patience, name: str, say: Say) -> str:
    """The base's name on the server, once that answers with the adapter."""
    began = time.monotonic()
    where = probing.Where(patience.endpoint, None, name, Path())
    while True:
        waited = time.monotonic() - began
        try:
            return probing.base_served(where, name)
        except ModelFailed as error:
            if waited > patience.seconds:
                raise ModelFailed(f"{error} See `docker logs devstral-{SERVICE}`.") from error
        say("loading the model", int(waited), int(patience.seconds))
        time.sleep(PAUSE_SECONDS)
