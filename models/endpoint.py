"""The endpoint that answers: what the user named, or the best that is there, or the trial model."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from errors import PartMissing
from models import address, embedded, ollama
from models.probe import Found, Kind, probe

NO_KEY = "no-key"  # the client insists on one where the server does not
TRIAL = f"{embedded.MODEL} answers, a trial model: it shows how things work and is often wrong."


@dataclass(frozen=True)
class Wanted:
    """What the user asked for; None where the choice is ours."""

    data_dir: Path
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    model: str | None = None
    local_url: str = "http://localhost:11434"
    ollama_command: str = "ollama"
    threads: int = 2


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible endpoint that answers; `notice` is what the user should know about it."""

    base_url: str
    model: str
    kind: Kind
    api_key: str = field(default=NO_KEY, repr=False)
    notice: str | None = None


@contextmanager
def open_endpoint(wanted: Wanted) -> Iterator[Endpoint]:
    """Yield the endpoint to use; what had to be started for it ends with the block."""
    with ExitStack() as opened:
        yield _choose(wanted, opened)


def _choose(wanted: Wanted, opened: ExitStack) -> Endpoint:
    if wanted.base_url is not None:
        return _endpoint(probe(wanted.base_url, wanted.api_key), wanted)
    if wanted.model == embedded.MODEL:
        return _trial(wanted, opened, f"{TRIAL} For a real one, {ollama.REAL_MODEL}.")
    try:
        return _local(wanted, opened)
    except PartMissing as missing:
        if wanted.model is not None:
            raise
        opened.close()  # an Ollama that we started in vain
        return _trial(wanted, opened, f"{missing} Meanwhile {TRIAL}")


def _local(wanted: Wanted, opened: ExitStack) -> Endpoint:
    found = probe(wanted.local_url, wanted.api_key)
    if found.kind in (None, "ollama"):
        opened.enter_context(ollama.running(wanted.local_url, wanted.ollama_command, wanted.data_dir))
        found = probe(wanted.local_url, wanted.api_key)
    return _endpoint(found, wanted)


def _endpoint(found: Found, wanted: Wanted) -> Endpoint:
    if found.kind is None or found.problem is not None:
        raise PartMissing(f"{found.problem}: {found.cure}.")
    return Endpoint(found.base_url, _model(found, wanted.model), found.kind, wanted.api_key or NO_KEY)


def _model(found: Found, named: str | None) -> str:
    who = address.shown(found.base_url)
    serves = f"set LLM_MODEL to one that it serves ({', '.join(found.models) or 'it lists none'})"
    if found.kind == "ollama":
        model = named or ollama.DEFAULT_MODEL
        if not {model, f"{model}:latest"} & set(found.models):
            raise PartMissing(f"Ollama at {who} has no {model}: run `ollama pull {model}`, or {serves}.")
        return model
    # vLLM lists all it serves; other servers may know more names than they list.
    if named is not None and (found.kind != "vllm" or named in found.models):
        return named
    if named is not None or not found.models:
        raise PartMissing(f"{who} does not say that it serves {named or 'anything'}: {serves}.")
    return found.models[0]


def _trial(wanted: Wanted, opened: ExitStack, notice: str) -> Endpoint:
    base_url, key = opened.enter_context(embedded.serving(wanted.threads, wanted.data_dir / "embedded.log"))
    return Endpoint(base_url, embedded.MODEL, "embedded", key, notice)
