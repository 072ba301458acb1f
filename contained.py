"""The stack in containers: keys made once, Qdrant, a model and the proxy started, waited for, and told of."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import PartMissing
from proxy.access import first_key
from training.machine import known_to_driver

if TYPE_CHECKING:
    from settings import Settings
    from terminal.progress import Bar

ROOT, KEPT = Path(__file__).resolve().parent, Path(".env")
PAUSE_SECONDS, ASKED_SECONDS = 0.5, 20.0
# Those of Devstral Small 2 in FP8, and what docker-compose.yml lets vLLM have of the memory.
WEIGHTS_GB, SHARE = 24.9, 0.95
OLLAMA_MODEL = "gpt-oss:20b"


@dataclass(frozen=True)
class Way:
    """A model in a container, and what is started for it; `alone`: the model runs already."""

    profile: str
    model: str
    proxy: str
    gpu: bool = True
    alone: bool = False


@dataclass(frozen=True)
class _Patience:
    seconds: float
    bar: Bar


WAYS = {
    "vllm": Way("rag", "vllm", "rag-proxy"),
    "vllm-lora": Way("rag-lora", "vllm-lora", "rag-proxy-lora", alone=True),
    "ollama": Way("rag-cpu", "ollama", "rag-proxy-cpu", gpu=False),
}


def start(chosen: Settings, model: str, seconds: float, bar: Bar) -> dict[str, Any]:
    """Start Qdrant, a model and the proxy, in the place of the other ways; what an agent has to be told.

    `seconds`: how long the proxy may take, once its model is there.

    Raises:
        PartMissing: Docker, a GPU, or a service that does not come up.
    """
    way = WAYS[model]
    must_have_docker()
    if way.gpu:
        must_have_gpu(chosen)
    key = first_key(kept(chosen, KEPT))
    others = [name for other in WAYS.values() if other is not way for name in (other.model, other.proxy)]
    every = [word for one in WAYS.values() for word in ("--profile", one.profile)]
    compose(chosen, [*every, "stop", *others])
    # The server with the adapter runs by then, started for what that adapter needs.
    only = ["--no-deps", "qdrant", way.proxy] if way.alone else []
    compose(chosen, ["--profile", way.profile, "up", "--detach", "--build", *only])
    if model == "ollama":
        compose(chosen, ["exec", "-T", "ollama", "ollama", "pull", chosen.llm_model or OLLAMA_MODEL])
    address = f"http://localhost:{chosen.rag_proxy_port}/v1"
    return {"address": address, "key": key, "models": _awaited(address, key, way, _Patience(seconds, bar))}


def kept(chosen: Settings, file: Path) -> str:
    """The proxy's key; what Compose must know and nobody set is made, and kept for the owner of a file."""
    given, new = chosen.rag_proxy_api_key, secrets.token_urlsafe(32)
    wanted = {
        "RAG_PROXY_API_KEY": None if given else new,
        "QDRANT_API_KEY": None if chosen.qdrant_api_key else secrets.token_urlsafe(32),
        "RECUERDO_USER": None if chosen.recuerdo_user else f"{os.getuid()}:{os.getgid()}",
    }
    if made := [f"{name}={value}" for name, value in wanted.items() if value]:
        before = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        partial = file.with_name(f"{file.name}.partial")
        partial.touch(mode=0o600)
        partial.write_text("\n".join([*before, *made]) + "\n", encoding="utf-8")
        partial.replace(file)
    return given.get_secret_value() if given else new


def must_have_docker() -> None:
    """Refuse where no container can be started.

    Raises:
        PartMissing: no Docker, no Compose, or an engine that does not answer.
    """
    cure = "Without it, `make proxy UPSTREAM=http://localhost:11434` puts memory before a server of yours."
    if shutil.which("docker") is None or not _says(["docker", "compose", "version"]):
        raise PartMissing(
            f"There is no Docker with Compose here: install Docker Engine and its Compose plugin. {cure}"
        )
    if not _says(["docker", "version", "--format", "{{.Server.Version}}"]):
        raise PartMissing(
            "Docker's engine does not answer: start it (`sudo systemctl start docker`), "
            f"and see with `docker ps` that you may use it. {cure}"
        )


def must_have_gpu(chosen: Settings) -> None:
    """Refuse what would end in a server that starts over and over.

    Raises:
        PartMissing: no NVIDIA GPU, or too small a one for the model that nobody chose.
    """
    cure = "`make rag-cpu` takes Ollama on the processor"
    gpus = known_to_driver()
    if not gpus:
        raise PartMissing(f"vLLM needs an NVIDIA GPU, and `nvidia-smi` shows none: {cure}.")
    largest = max(gpus, key=lambda gpu: gpu.total_gb)
    if chosen.vllm_model is None and not holds_weights(largest.total_gb):
        raise PartMissing(
            f"The weights of Devstral Small 2 alone take {WEIGHTS_GB} GB, and {largest.name} has "
            f"{largest.total_gb:.1f}: set VLLM_MODEL to a smaller model, or take a GPU with 48 GB; {cure}."
        )


def holds_weights(gb: float) -> bool:
    """Whether a GPU of that memory has room for the model that `make rag` serves, before any context."""
    return SHARE * gb >= WEIGHTS_GB


def compose(chosen: Settings, words: Sequence[str]) -> None:
    """Run Compose, which shows its own progress: images may have to be fetched.

    Raises:
        PartMissing: it failed.
    """
    home = chosen.data_dir.absolute()
    home.mkdir(parents=True, exist_ok=True)  # Docker would make it root's
    told = {"DATA_DIR": str(home)}
    if (vibe := chosen.vibe_home.expanduser().absolute()).is_dir():
        told["VIBE_HOME"] = str(vibe)
    file = ["--env-file", str(KEPT.absolute())] if KEPT.exists() else []  # what our own settings read
    given = (f"{name}={value}" for name, value in told.items())
    program = ["env", *given, "docker", "compose", *file, *words]
    done = subprocess.run(program, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=2, check=False)
    if done.returncode:
        raise PartMissing(f"`docker compose {' '.join(words)}` failed: see above.")


def _awaited(address: str, key: str, way: Way, patience: _Patience) -> list[str]:
    """The models that the proxy passes on, once it does."""
    from models.probe import probe

    began = time.monotonic()
    while (found := probe(address, key)).problem:
        waited = time.monotonic() - began
        if waited > patience.seconds:
            cause = f"see `docker logs recuerdo-{way.proxy}`"
            raise PartMissing(f"The proxy does not serve its model ({found.problem}): {cause}.")
        patience.bar("waiting for the proxy", int(waited), int(patience.seconds))
        time.sleep(PAUSE_SECONDS)
    return list(found.models)


def _says(words: list[str]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=ASKED_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
