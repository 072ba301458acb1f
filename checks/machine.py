"""What `doctor` looks at on this machine: who holds the model server's port, and the GPU."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import lending
from checks.told import Told, looked
from contained import WEIGHTS_GB, holds_weights
from errors import PartMissing
from parts import Parts
from terminal.doctor import Check

PORT = 11434
GPUS = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
SECONDS, CONNECT_SECONDS, PROBE_SECONDS = 10.0, 2.0, 15.0
AMPLE_GB = 40.0
NAMES = {"ollama": "Ollama", "vllm": "vLLM", "openai": "a model server", "": "no model server"}
NO_GPU = (
    "no NVIDIA GPU: Ollama or the trial model on the processor; "
    f"a GPU for Devstral needs {WEIGHTS_GB} GB for its FP8 weights alone"
)


def checks(parts: Parts) -> Iterator[Check]:
    """The checks; nothing is changed."""
    yield looked("GPU", lambda: gpu(parts.settings.data_dir / lending.JOURNAL))
    yield looked(f"port {PORT}", lambda: port(PORT))


def gpu(journal: Path) -> Told:
    """What GPUs there are, and whether a training has one."""
    if reason := lending.told(journal):
        return Told(reason, "run `python -m training recover`")
    try:
        found = _gpus()
    except PartMissing as error:
        return Told(str(error), "see what `nvidia-smi` says: after an update the driver may need a restart")
    if not found:
        return Told(NO_GPU, "see the README, “You have Ollama”")
    named = ", ".join(f"{name} ({f'{size:.1f} GB' if size else 'memory not told'})" for name, size in found)
    most = max(size or AMPLE_GB for _, size in found)
    if not holds_weights(most):
        fix = "use Ollama with a model that fits: see the README, “You have Ollama”"
        return Told(f"{named}: the {WEIGHTS_GB} GB of Devstral's FP8 weights do not fit", fix)
    little = f"; Devstral's FP8 weights alone take {WEIGHTS_GB} GB" if most < AMPLE_GB else ""
    return Told(f"{named}, no training has it{little}")


def port(number: int) -> Told:
    """Who holds a port, on either address that `localhost` may mean."""
    held = {host: kind for host in ("127.0.0.1", "::1") if (kind := _holder(host, number)) is not None}
    if not held:
        return Told("free")
    said = " and ".join(f"{NAMES[kind]} on {host}" for host, kind in held.items())
    if len(set(held.values())) > 1:
        return Told(f"{said}: which of them `localhost` reaches is chance", "end one of the two")
    kind = next(iter(held.values()))
    if not kind:
        return _foreign(number, held)
    if kind == "ollama" and shutil.which("docker") and _has_gpu():
        fix = "stop Ollama (`systemctl stop ollama`) or go on with it: `make proxy`"
        return Told(f"Ollama holds {number}, where `make vllm` puts vLLM", fix)
    return Told(said)


def _gpus() -> list[tuple[str, float | None]]:
    """Name and memory [GB] of each; the memory is None where it is the processor's."""
    from training.programs import asked

    if shutil.which("nvidia-smi") is None:
        return []
    rows = [line.rpartition(",") for line in asked(GPUS, SECONDS).splitlines() if "," in line]
    return [(name.strip(), _gigabytes(size)) for name, _, size in rows]


def _gigabytes(mebibytes: str) -> float | None:
    try:
        return float(mebibytes) * 2**20 / 1e9
    except ValueError:
        return None


def _has_gpu() -> bool:
    try:
        return bool(_gpus())
    except PartMissing:
        return False


def _holder(host: str, number: int) -> str | None:
    """The kind of server at an address, "" for what is no model server; None where nobody listens."""
    from models.probe import Silent, probe, within

    try:
        socket.create_connection((host, number), CONNECT_SECONDS).close()
    except OSError:
        return None
    try:
        found = within(
            PROBE_SECONDS, lambda: probe(f"http://{f'[{host}]' if ':' in host else host}:{number}")
        )
    except Silent:
        return ""
    # A server that knows no path of OpenAI's looks like one that does not list its models.
    return "" if found.kind is None or (found.kind == "openai" and not found.models) else found.kind


def _foreign(number: int, held: dict[str, str]) -> Told:
    who = _container(number)
    if who:
        wait = f"wait while it loads its model; `docker logs {who}` says how far it is"
        return Told(f"the container {who} holds it and does not answer as a model server", wait)
    process = _listener(number)
    detail = f"{process or 'a program'} on {' and '.join(held)}, which does not answer as a model server"
    return Told(detail, "end it, or set OPENAI_BASE_URL and RAG_UPSTREAM_URL to where your model server is")


def _container(number: int) -> str:
    """The container that has published the port; "" where docker names none."""
    from training.programs import asked

    if shutil.which("docker") is None:
        return ""
    try:
        said = asked(["docker", "ps", "--filter", f"publish={number}", "--format", "{{.Names}}"], SECONDS)
    except PartMissing:
        return ""
    return next(iter(said.split()), "")


def _listener(number: int) -> str | None:
    """The process that listens on a port, as far as this user may see it."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in Path(table).read_text(encoding="ascii").splitlines()[1:]]
            listening = [row for row in rows if row[3] == "0A" and row[1].endswith(f":{number:04X}")]
            sockets |= {f"socket:[{row[9]}]" for row in listening}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # another user's, or one that has just ended
            if any(file.readlink().as_posix() in sockets for file in (process / "fd").iterdir()):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return f"process {process.name} ({name})"
    return None
