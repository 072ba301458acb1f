"""Bytes to the model server and back: nothing read, nothing changed, nothing kept waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Container, Iterable, Mapping

from aiohttp import HttpVersion11, web
from multidict import CIMultiDict

from proxy.access import Refusal
from proxy.answer import Answer, Broken, Headers
from proxy.line import Body
from proxy.upstream import Upstream

# What belongs to one connection only.
HOP = {b"connection", b"expect", b"host", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
HOP |= {b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"}
OURS = b"x-rag-"
REFUSAL, REFUSAL_SECONDS = 65_536, 2.0
BROKEN = {"type": "upstream_error", "param": None, "code": "upstream_closed"}
LENT = "gpu_lent"
BROKEN_MESSAGE = "The model server broke off its answer."


class Relay:
    """One model server, as a client of the proxy meets it."""

    def __init__(self, root: str, key: str | None, lent: Callable[[], str | None] = lambda: None) -> None:
        self.upstream, self.lent, self._key = Upstream(root), lent, key

    async def ask(self, request: web.BaseRequest, target: str, body: Body, *, keyed: bool) -> Answer:
        """Send a request on, with another body where one is given; the answer's head.

        Raises:
            Refusal: no answer.
        """
        dropped = HOP | ({b"authorization"} if keyed else set())
        if isinstance(body, bytes):
            dropped = dropped | {b"content-length"}
        headers = passing(request.raw_headers, dropped)
        if keyed and self._key:  # the key of this proxy is not meant for the server
            headers.append((b"Authorization", b"Bearer " + self._key.encode()))
        if isinstance(body, bytes):
            headers.append((b"Content-Length", b"%d" % len(body)))
        elif body is None and request.body_exists:
            body = request.content.iter_any()
        try:
            return await self.upstream.ask(request.method, target, headers, body)
        except (Broken, OSError) as error:
            if told := self.lent():
                raise Refusal(503, LENT, told) from error
            raise _why(error, self.upstream.root) from error

    async def give(
        self, request: web.BaseRequest, answer: Answer, more: Mapping[str, str], read: bytes = b""
    ) -> web.StreamResponse:
        """Pass an answer on as it comes, with some headers of ours; `read` is what was read of it already."""
        headers = _as_text(passing(answer.headers, HOP))
        headers.extend(more)
        streamed = headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/event-stream"
        # Where the length is announced or the events are compressed, nothing can be said after them.
        told = streamed and "Content-Length" not in headers and "Content-Encoding" not in headers
        if streamed:
            headers.setdefault("Cache-Control", "no-cache")
            headers.setdefault("X-Accel-Buffering", "no")
        reason = answer.reason.decode("utf-8", "replace")
        response = web.StreamResponse(status=answer.status, reason=reason, headers=headers)
        response._send_headers_immediately = not answer.ready  # one packet where the body is there already
        await response.prepare(request)
        tail = read[-4:]
        if read:
            await response.write(read)
        try:
            while piece := await answer.read():
                await response.write(piece)
                tail = (tail + piece)[-4:] if len(piece) < 4 else piece[-4:]
        except Broken:
            await self._break_off(request, response, tail if told else None)
            return response
        await response.write_eof()
        return response

    async def _break_off(
        self, request: web.BaseRequest, response: web.StreamResponse, tail: bytes | None
    ) -> None:
        """Let a client see that an answer is not whole: in an event where it reads events, and by the end."""
        if tail is not None:
            whole = tail.endswith((b"\n\n", b"\r\r", b"\r\n\r\n")) or not tail
            event = json.dumps({"error": {"message": BROKEN_MESSAGE, **BROKEN}})
            await response.write((b"" if whole else b"\n\n") + b"data: " + event.encode() + b"\n\n")
        if request.transport is not None:
            request.transport.close()


async def invite(request: web.BaseRequest) -> None:
    """Tell a client that waits for it to send its body."""
    if request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # of the answer nothing is written yet


async def beginning(answer: Answer) -> bytes:
    """How a refusal begins; what breaks it off is met again where the rest is read."""
    read = b""
    try:
        async with asyncio.timeout(REFUSAL_SECONDS):
            while len(read) < REFUSAL and (piece := await answer.read()):
                read += piece
    except (Broken, TimeoutError):
        pass
    except asyncio.CancelledError:
        answer.close()
        raise
    return read


def passing(headers: Iterable[tuple[bytes, bytes]], dropped: Container[bytes]) -> Headers:
    """The headers that go on to the other side, as they were written."""
    known = [(name.lower(), name, value) for name, value in headers]
    named = {
        one.strip().lower() for low, _, value in known if low == b"connection" for one in value.split(b",")
    }
    return [
        (name, value)
        for low, name, value in known
        if low not in dropped and low not in named and not low.startswith(OURS)
    ]


def _as_text(headers: Headers) -> CIMultiDict[str]:
    kept: CIMultiDict[str] = CIMultiDict()
    spelled: dict[str, str] = {}
    for raw, value in headers:
        name = raw.decode("latin-1")
        # Of two spellings of one name aiohttp would send the last one only.
        kept.add(spelled.setdefault(name.lower(), name), value.decode("utf-8", "ignore"))
    return kept


def _why(error: Exception, root: str) -> Refusal:
    if isinstance(error, TimeoutError):
        return Refusal(504, "upstream_timeout", f"The model server at {root} does not answer.")
    if isinstance(error, OSError):
        message = f"Nothing answers at {root}: start the model server, or set RAG_UPSTREAM_URL."
        return Refusal(502, "upstream_unreachable", message)
    return Refusal(
        502, "upstream_closed", f"The model server at {root} closed the connection without an answer."
    )
