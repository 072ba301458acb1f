"""The proxy as it is served: who may ask, what is ours to answer, what is enriched, what is relayed."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from aiohttp import StreamReader, web

from proxy.access import Access, Refusal, is_loopback, target
from proxy.answer import Answer
from proxy.asking import tokens, unreachable
from proxy.body import Chat
from proxy.budget import REFUSED, is_too_long
from proxy.enrich import Memory, Told
from proxy.journal import Journal
from proxy.line import Body
from proxy.metrics import CONTENT_TYPE, Metrics
from proxy.own import as_openai, reply
from proxy.relay import LENT, Relay, beginning, invite

CHAT = "/v1/chat/completions"
# A longer request goes on as it comes, without memory: no prompt is so long.
LONGEST_BODY = 16 * 2**20
RETRY_SECONDS = "5"
# A person reads it at once, where a client would else wait in silence and ask again.
WHILE_LENT = {"Retry-After": "60", "x-should-retry": "false"}
ALIVE, TELLING = {"/health", "/livez"}, {"/ready", "/metrics"}


@dataclass
class Exchange:
    """One request and what becomes of it."""

    request: web.BaseRequest
    target: str
    owner: str
    id: str
    started: float
    told: Told | None = None
    overhead: float = 0.0

    @property
    def headers(self) -> dict[str, str]:
        """What the answer says about its memory."""
        if self.told is None:
            return {"x-rag-request-id": self.id}
        return {
            "x-rag-request-id": self.id,
            "x-rag-status": self.told.status,
            "x-rag-memories": str(self.told.memories),
            "x-rag-injected-tokens": str(self.told.injected_tokens),
            "x-rag-overhead-ms": f"{self.overhead * 1000:.1f}",
        }


class Proxy:
    """Answers every request; `ready` says what does not serve at present."""

    def __init__(
        self,
        access: Access,
        relay: Relay,
        memory: Memory,
        journal: Journal,
        ready: Callable[[], list[dict[str, str]]],
    ) -> None:
        self.access, self.relay, self.memory, self.journal = access, relay, memory, journal
        self.metrics = Metrics()
        self._degraded = ready
        self.running = 0
        # An id is this process and a number; it need not be secret.
        self._name, self._numbers = secrets.token_hex(4), count()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        exchange = Exchange(request, "", "", f"{self._name}{next(self._numbers):08x}", time.perf_counter())
        self.running += 1
        status = 499
        try:
            response = await self._answer(exchange)
            status = response.status
        except ConnectionError:  # the client hung up while it was answered
            self.metrics.gone.inc()
            raise
        except asyncio.CancelledError:
            self.metrics.gone.inc()
            raise
        except Exception:
            status = 500
            raise
        finally:
            self.running -= 1
            self._note(exchange, status)
        return response

    async def _answer(self, exchange: Exchange) -> web.StreamResponse:
        request = exchange.request
        try:
            self.access.check(request.headers.get("Host"), request.headers.get("Origin"))
            exchange.target, path = target(request.raw_path)
            owner = self.access.owner(request.headers.get("Authorization"))
            if own := await self._own(request, path, known=owner is not None):
                return own
            if owner is None:
                message = "This proxy asks for its key: send RAG_PROXY_API_KEY as a bearer token."
                raise Refusal(401, "invalid_api_key", message)
            exchange.owner = owner
            if "websocket" in request.headers.get("Upgrade", "").lower():
                raise Refusal(501, "no_websocket", "This proxy speaks HTTP only.")
            await invite(request)
            chat = request.method == "POST" and path == CHAT
            return await (self._chat(exchange) if chat else self._pass(exchange, None))
        except Refusal as refusal:
            return await self._refuse(exchange, refusal)

    async def _chat(self, exchange: Exchange) -> web.StreamResponse:
        exchange.told = Told(owner=exchange.owner)
        body, whole = await _read(exchange.request)
        sent = await self._enriched(exchange, body) if whole else body
        exchange.overhead = time.perf_counter() - exchange.started
        if not whole:
            return await self._pass(exchange, _joined(body, exchange.request.content))
        answer = await self._ask(exchange, sent)
        read = b""
        if sent is not body and answer.status in REFUSED:
            read = await beginning(answer)
            if is_too_long(read, "".join(answer.all(b"content-encoding"))):
                answer.close()
                answer, read = await self._without(exchange, body), b""
        return await self._give(exchange, answer, read)

    async def _enriched(self, exchange: Exchange, body: bytes) -> bytes:
        """The request with its memories; the very same bytes where it gets none."""
        request = exchange.request
        if request.headers.get("x-rag-mode", "").lower() == "off":
            exchange.told = Told("off", owner=exchange.owner)
            return body
        if request.headers.get("Content-Encoding", "identity") != "identity":
            exchange.told = Told(reason="compressed", owner=exchange.owner)
            return body
        try:
            chat = Chat(body)
            told = await self.memory.enrich(chat, len(body), request.headers, exchange.owner, self._count)
            exchange.told = told
            return chat.with_blocks(told.blocks) if told.blocks else body
        except ValueError as error:
            exchange.told = Told(reason=f"not a chat request: {error}", owner=exchange.owner)
        except Exception as error:  # noqa: BLE001  # a fault of ours must not cost an answer
            exchange.told = Told("degraded", f"{type(error).__name__}: {error}", owner=exchange.owner)
        return body

    async def _without(self, exchange: Exchange, body: bytes) -> Answer:
        """Send a request once more as the client wrote it; its turns go without memory from now on."""
        if exchange.told:
            self.memory.give_up(exchange.told)
            exchange.told = Told("degraded", "too long with its memories", owner=exchange.owner)
        self.metrics.without.inc()
        return await self._ask(exchange, body)

    async def _count(self, chat: Chat) -> int | None:
        return await tokens(self.relay.upstream, chat)

    async def _pass(self, exchange: Exchange, body: Body) -> web.StreamResponse:
        return await self._give(exchange, await self._ask(exchange, body), b"")

    async def _ask(self, exchange: Exchange, body: Body) -> Answer:
        keyed = bool(self.access.keys)
        return await self.relay.ask(exchange.request, exchange.target, body, keyed=keyed)

    async def _give(self, exchange: Exchange, answer: Answer, read: bytes) -> web.StreamResponse:
        try:
            return await self.relay.give(exchange.request, answer, exchange.headers, read)
        finally:  # an answer that is not at its end ends here
            answer.close()

    async def _own(self, request: web.BaseRequest, path: str, *, known: bool) -> web.StreamResponse | None:
        """What is ours to answer; more than that we live is told to this machine and to key holders only."""
        if path in ALIVE:
            return await reply(request, 200, {"status": "alive"})
        if path not in TELLING or not (known or is_loopback(request.remote or "")):
            return None
        if path == "/metrics":
            self.metrics.running.set(self.running)
            self.metrics.breaker.set(self.memory.patience.open)
            self.metrics.dropped.set(self.journal.dropped)
            return await reply(request, 200, self.metrics.text(), {"Content-Type": CONTENT_TYPE})
        degraded = self._degraded()
        if self.memory.patience.open and not degraded:
            degraded = [{"part": "memory", "reason": self.memory.patience.failure}]
        if self.memory.sticky.problem:
            degraded = [*degraded, {"part": "proxy folder", "reason": self.memory.sticky.problem}]
        reason = await unreachable(self.relay.upstream)
        if reason:
            degraded = [*degraded, {"part": "model server", "reason": self.relay.lent() or reason}]
        status = "degraded" if degraded else "ready"
        return await reply(request, 503 if reason else 200, {"status": status, "degraded": degraded})

    async def _refuse(self, exchange: Exchange, refusal: Refusal) -> web.StreamResponse:
        headers = dict(exchange.headers)
        if refusal.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if refusal.status in {502, 503, 504}:
            headers |= WHILE_LENT if refusal.code == LENT else {"Retry-After": RETRY_SECONDS}
        return await reply(exchange.request, refusal.status, as_openai(refusal), headers)

    def _note(self, exchange: Exchange, status: int) -> None:
        """Count a request, and write down what it was given."""
        self.metrics.answers.labels(status).inc()
        seconds = time.perf_counter() - exchange.started
        request, told = exchange.request, exchange.told
        row: dict[str, Any] = {
            "id": exchange.id,
            "method": request.method,
            "path": request.raw_path.partition("?")[0][:200],
            "code": status,
            "seconds": round(seconds, 4),
        }
        if told is not None:
            self.metrics.requests.labels(told.status).inc()
            self.metrics.tokens.inc(told.injected_tokens)
            self.metrics.overhead.observe(exchange.overhead)
            if told.recall_ms is not None:
                self.metrics.recall.observe(told.recall_ms / 1000)
            row |= told.facts() | {"overhead_ms": round(exchange.overhead * 1000, 2)}
        self.journal.note(row)


async def _read(request: web.BaseRequest) -> tuple[bytes, bool]:
    """The body, and whether that is all of it; a body beyond the limit is read up to there."""
    pieces, size = [], 0
    async for piece in request.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > LONGEST_BODY:
            return b"".join(pieces), False
    return b"".join(pieces), True


async def _joined(begun: bytes, rest: StreamReader) -> AsyncIterator[bytes]:
    yield begun
    async for piece in rest.iter_any():
        yield piece
