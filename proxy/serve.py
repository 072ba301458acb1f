"""Serving the proxy: refused where it would be unsafe, warmed up, announced, ended in order."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import uvloop
from aiohttp import web

from errors import BadInput, Unsafe
from proxy.access import Access, is_loopback, owners
from proxy.budget import Budget
from proxy.enrich import Memory
from proxy.journal import Journal
from proxy.own import Server
from proxy.patience import Patience
from proxy.recalled import Recall
from proxy.relay import Relay
from proxy.server import Proxy
from proxy.sticky import Sticky

STICKY, ASKED = "sticky.db", "asked.db"
WARM_SECONDS = 15.0
END_SECONDS = 5.0
IDLE_SECONDS = 75.0
LONGEST_LINE = 65_536
RARELY = (20_000, 20, 20)
Announce = Callable[[str, int], None]


@dataclass(frozen=True)
class Wanted:
    """How the proxy is to be served; `home` is where it keeps what it must remember."""

    host: str
    port: int
    upstream: str
    home: Path
    keys: str | None = None
    upstream_key: str | None = None
    hosts: tuple[str, ...] = ()
    deadline_seconds: float = 0.3
    context: int = 81_920
    most_tokens: int = 2000
    log: IO[str] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Remembering:
    """What the proxy is handed: recall, what to load for it first, what does not serve, and redaction.

    `watch` never ends; it runs on a thread beside the server, and may be broken off at any moment. `nothing`
    says at once whether an owner's memory certainly holds nothing. `lent` is asked only when the model server
    cannot be reached: what to tell of it where that is so on purpose.
    """

    recall: Recall
    warm: Callable[[], None]
    degraded: Callable[[], list[dict[str, str]]]
    redact: Callable[[str], str]
    watch: Callable[[], None]
    nothing: Callable[[str], bool] = lambda owner: False
    lent: Callable[[], str | None] = lambda: None


def serve(wanted: Wanted, remembering: Remembering, announce: Announce) -> None:
    """Serve until the process is told to end; `announce` is called with the address once it may be used.

    Raises:
        Unsafe: a public address without a key.
        BadInput: keys that cannot be read, an address that cannot be used, the proxy as its own upstream.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(wanted, remembering, announce))


async def _serve(wanted: Wanted, remembering: Remembering, announce: Announce) -> None:
    told = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    async with running(wanted, remembering) as address:
        # What was loaded stays: the collector need not look at it with every request.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*RARELY)
        announce(*address)
        threading.Thread(target=remembering.watch, daemon=True).start()
        await told.wait()


@asynccontextmanager
async def running(wanted: Wanted, remembering: Remembering) -> AsyncIterator[tuple[str, int]]:
    """The proxy on this event loop, as long as the block lasts; its address. Raises as `serve` does."""
    access = _access(wanted)
    with suppress(OSError):  # told by what cannot be opened in it
        wanted.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    relay = Relay(wanted.upstream, wanted.upstream_key, remembering.lent)
    sticky = Sticky(wanted.home / STICKY)
    journal = Journal(wanted.home / ASKED, wanted.log, remembering.redact)
    patience = Patience(wanted.deadline_seconds)
    budget = Budget(wanted.context, wanted.most_tokens)
    memory = Memory(remembering.recall, patience, sticky, budget, remembering.nothing)
    server = Server(
        Proxy(access, relay, memory, journal, remembering.degraded),
        handler_cancellation=True,
        auto_decompress=False,
        access_log=None,
        keepalive_timeout=IDLE_SECONDS,
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_LINE,
    )
    runner = web.ServerRunner(server, shutdown_timeout=END_SECONDS)
    try:
        await runner.setup()
        await _listen(runner, wanted)
        with suppress(TimeoutError):
            async with asyncio.timeout(WARM_SECONDS):
                await patience.unhurried(remembering.warm)
        yield runner.addresses[0][:2]
    finally:
        await runner.cleanup()
        relay.upstream.close()
        await asyncio.to_thread(journal.close)
        sticky.close()


def _access(wanted: Wanted) -> Access:
    keys = owners(wanted.keys)
    here = is_loopback(wanted.host)
    if not keys and not here:
        raise Unsafe(
            f"On {wanted.host} anybody in the network could read your memory: set RAG_PROXY_API_KEY, "
            "or listen on 127.0.0.1."
        )
    cure = "set RAG_UPSTREAM_URL to the model server"
    try:
        name, port = urlsplit(wanted.upstream).hostname, urlsplit(wanted.upstream).port
    except ValueError as error:
        raise BadInput(f"The upstream {wanted.upstream} is no address ({error}): {cure}.") from error
    if wanted.port and port == wanted.port and (name == wanted.host or is_loopback(name or "")):
        raise BadInput(f"The upstream {wanted.upstream} is the proxy itself: {cure}.")
    # Beyond loopback there is a key, which no web page has; then any name will do.
    return Access(keys, frozenset({wanted.host, *wanted.hosts}), open_to_all=not (wanted.hosts or here))


async def _listen(runner: web.ServerRunner, wanted: Wanted) -> None:
    try:
        await web.TCPSite(runner, wanted.host, wanted.port, backlog=2048).start()
    except OSError as error:
        reason = error.strerror or error
        raise BadInput(
            f"Port {wanted.port} of {wanted.host} cannot be used ({reason}): choose another --port."
        ) from error
