"""Who answers at an address: told by asking, never by an open port."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from errors import ModelFailed
from models import address

if TYPE_CHECKING:
    import httpx

Kind = Literal["ollama", "vllm", "openai", "embedded"]
PATIENCE_SECONDS = 5.0
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Found:
    """Who answers with which models, or the problem and its cure; `kind` is None when nobody answers."""

    base_url: str
    kind: Kind | None = None
    models: tuple[str, ...] = ()
    problem: str | None = None
    cure: str | None = None
    entries: tuple[Mapping[str, Any], ...] = ()
    """All that the list says of each model."""


class Silent(ModelFailed):
    """A question that was given up; it may still be answered."""


def within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What a question brings, given up after so many seconds: a client's own limit counts silence alone.

    Raises:
        Silent: then. Whatever the question itself raises.
    """
    said: Future[Answer] = Future()

    def asking() -> None:
        try:
            said.set_result(ask())
        except Exception as error:  # noqa: BLE001  # raised again by whoever waits
            said.set_exception(error)

    Thread(target=asking, daemon=True).start()  # left behind, it holds nothing that anybody waits for
    try:
        return said.result(seconds)
    except TimeoutError as error:
        raise Silent(f"no answer within {seconds:.0f} s") from error


def probe(base_url: str, api_key: str | None = None) -> Found:
    """Ask who is there and what is served; nothing is started and no prompt is sent."""
    import httpx

    base = address.normalise(base_url)
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    direct = address.is_loopback(base)
    try:
        with httpx.Client(headers=headers, timeout=PATIENCE_SECONDS, trust_env=not direct) as client:
            return _ask(client, base)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        reason = "no answer in time" if isinstance(error, httpx.TimeoutException) else type(error).__name__
        problem = f"Nothing answers at {address.shown(base)} ({reason})"
        return Found(base, problem=problem, cure="start the server there, or correct OPENAI_BASE_URL")


def readiness(address: str, api_key: str | None = None) -> list[dict[str, str]] | None:
    """What a proxy of ours at an address lacks at present; None where none serves."""
    import httpx

    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        told = httpx.get(
            f"{address}/ready", headers=headers, timeout=PATIENCE_SECONDS, trust_env=False
        ).json()
        return [{"part": str(one["part"]), "reason": str(one["reason"])} for one in told["degraded"]]
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
        return None


def _ask(client: httpx.Client, base: str) -> Found:
    root = base.removesuffix("/v1")
    kind: Kind = "openai"
    if _tells_version(client.get(f"{root}/api/version")):
        kind = "ollama"
    elif _tells_version(client.get(f"{root}/version")):
        kind = "vllm"
    return _listed(client.get(f"{base}/models"), base, kind)


def _listed(response: httpx.Response, base: str, kind: Kind) -> Found:
    who = address.shown(base)
    if response.status_code in (401, 403):
        return Found(base, kind, problem=f"{who} refuses the key", cure="set OPENAI_API_KEY")
    # A gateway need not list what it serves; the first question will tell.
    if response.status_code == 404:
        return Found(base, kind)
    body = _json(response)
    if not response.is_success or not isinstance(body, dict) or not isinstance(body.get("data"), list | None):
        problem = f"{who}/models answers with status {response.status_code} and no list of models"
        return Found(base, kind, problem=problem, cure="check OPENAI_BASE_URL and the server behind it")
    entries = [entry for entry in body.get("data") or () if isinstance(entry, dict)]
    named = [entry for entry in entries if "id" in entry]
    return Found(base, kind, tuple(str(entry["id"]) for entry in named), entries=tuple(named))


def _tells_version(response: httpx.Response) -> bool:
    # Some servers answer every path with status 200, so the body has to say it.
    body = _json(response)
    return response.is_success and isinstance(body, dict) and isinstance(body.get("version"), str)


def _json(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None
