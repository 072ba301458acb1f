"""Bytes to the model server and back: nothing read, nothing changed, nothing kept waiting."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp import HttpVersion11, web
from multidict import CIMultiDict
from yarl import URL

from proxy.access import Refusal

# What belongs to one connection only.
HOP = {"connection", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
HOP |= {"proxy-authenticate", "proxy-authorization", "proxy-connection"}
OURS = ("x-rag-",)
CONNECT_SECONDS = 5.0
# A little less than servers keep an idle connection, so that none is used that is just being closed.
IDLE_SECONDS = 4.0
LONGEST_LINE = 65_536
PIECE = 65_536
LARGE = 1_000_000
REFUSAL, REFUSAL_SECONDS = 65_536, 2.0
Body = bytes | AsyncIterator[bytes] | None
AUTOMATIC = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
BROKEN = {"type": "upstream_error", "param": None, "code": "upstream_closed"}
BROKEN_MESSAGE = "The model server broke off its answer."
BREAKS = (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, TimeoutError)


class Relay:
    """One model server, and the connections to it."""

    def __init__(self, root: str, key: str | None) -> None:
        self.root, self._key = root.rstrip("/"), key
        self._session: aiohttp.ClientSession | None = None
        self._reading: WeakKeyDictionary[object, aiohttp.StreamReader] = WeakKeyDictionary()

    def open(self) -> aiohttp.ClientSession:
        """The connections; made on the event loop that uses them."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS, use_dns_cache=True),
                # How long an answer may take is for the client to say.
                timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=AUTOMATIC,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=LONGEST_LINE,
                max_field_size=LONGEST_LINE,
            )
            # Whoever sent a request decides whether it is sent again; aiohttp would repeat a GET by itself.
            self._session._retry_connection = False
        return self._session

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()

    async def ask(
        self, request: web.BaseRequest, target: str, body: Body, *, keyed: bool
    ) -> aiohttp.ClientResponse:
        """Send a request on, with another body where one is given; the answer's head.

        Raises:
            Refusal: no answer.
        """
        headers = passing(request.headers.items(), request.headers.getall("Connection", ()))
        if keyed:  # the key of this proxy is not meant for the server
            headers.popall("Authorization", None)
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
        data: Any = body
        if isinstance(body, bytes):
            headers["Content-Length"] = str(len(body))
            data = body if len(body) < LARGE else _pieces(body)
        elif body is None and request.body_exists:
            data = request.content
        try:
            answer = await self.open().request(
                request.method, self.url(target), headers=headers, data=data, allow_redirects=False
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _why(error, self.root) from error
        self._watch(answer)
        return answer

    def _watch(self, answer: aiohttp.ClientResponse) -> None:
        """Let the end of a connection end its answer; aiohttp forgets that where chunks are malformed."""
        line = answer.connection.protocol if answer.connection else None
        if line is not None and line not in self._reading and line.closed is not None:
            line.closed.add_done_callback(partial(_end, self._reading, line))
        if line is not None:
            self._reading[line] = answer.content

    def url(self, target: str) -> URL:
        """Where a target is on the server; not a byte of it is written anew, nor an empty query lost."""
        root = URL(self.root, encoded=True)
        return root.with_path(root.raw_path.rstrip("/") + target, encoded=True)

    async def give(
        self,
        request: web.BaseRequest,
        answer: aiohttp.ClientResponse,
        more: Mapping[str, str],
        read: bytes = b"",
    ) -> web.StreamResponse:
        """Pass an answer on as it comes, with some headers of ours; `read` is what was read of it already."""
        headers = passing(answer.headers.items(), answer.headers.getall("Connection", ()))
        headers.extend(more)
        streamed = answer.content_type == "text/event-stream"
        # Where the length is announced or the events are compressed, nothing can be said after them.
        told = streamed and "Content-Length" not in headers and "Content-Encoding" not in headers
        if streamed:
            headers.setdefault("Cache-Control", "no-cache")
            headers.setdefault("X-Accel-Buffering", "no")
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        await response.prepare(request)
        tail = read[-4:]
        if read:
            await response.write(read)
        try:
            async for piece in answer.content.iter_any():
                await response.write(piece)
                tail = (tail + piece)[-4:] if len(piece) < 4 else piece[-4:]
        except BREAKS:
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


async def beginning(answer: aiohttp.ClientResponse) -> bytes:
    """How a refusal begins; what breaks it off is met again where the rest is read."""
    read = b""
    try:
        async with asyncio.timeout(REFUSAL_SECONDS):
            while len(read) < REFUSAL and (piece := await answer.content.readany()):
                read += piece
    except BREAKS:
        pass
    except asyncio.CancelledError:
        answer.close()
        raise
    return read


def _end(
    reading: WeakKeyDictionary[object, aiohttp.StreamReader], line: object, closed: asyncio.Future[None]
) -> None:
    closed.exception()  # it is told by what is read, or does not matter
    content = reading.pop(line, None)
    if content is not None and not content.is_eof() and content.exception() is None:
        content.set_exception(aiohttp.ClientPayloadError(BROKEN_MESSAGE))


def passing(headers: Iterable[tuple[str, str]], connection: Iterable[str]) -> CIMultiDict[str]:
    """The headers that go on to the other side, as they were written."""
    named = {name.strip().lower() for line in connection for name in line.split(",")}
    kept: CIMultiDict[str] = CIMultiDict()
    spelled: dict[str, str] = {}
    for name, value in headers:
        low = name.lower()
        if low not in HOP and low not in named and not low.startswith(OURS):
            # Of two spellings of one name aiohttp would send the last one only.
            kept.add(spelled.setdefault(low, name), value)
    return kept


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), PIECE):
        yield body[start : start + PIECE]


def _why(error: Exception, root: str) -> Refusal:
    if isinstance(error, TimeoutError):
        return Refusal(504, "upstream_timeout", f"The model server at {root} does not answer.")
    if isinstance(error, aiohttp.ClientConnectorError | socket.gaierror):
        message = f"Nothing answers at {root}: start the model server, or set RAG_UPSTREAM_URL."
        return Refusal(502, "upstream_unreachable", message)
    return Refusal(
        502, "upstream_closed", f"The model server at {root} closed the connection without an answer."
    )
