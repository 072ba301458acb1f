"""One connection to the model server and the answer that comes over it, read by llhttp as it arrives.

A client library hands every chunk on by itself, writes headers anew and now and then sends a request again.
A relay wants none of that: what came in one piece goes on in one piece, and an end that is no end is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import httptools

from proxy.answer import Answer, Broken, Headers

Body = bytes | AsyncIterator[bytes] | None
LONGEST_HEAD = 2**18
NO_BODY = {204, 304}


class Line(asyncio.Protocol):
    """The connection: one question at a time, none of them sent twice."""

    def __init__(self, freed: Callable[[Line], None]) -> None:
        self._freed, self._parser = freed, _parser(self)
        self._answer: Answer | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._waiting = False
        self._headers: Headers = []
        self._reason, self._head_size, self._until_closed, self._unsent = b"", 0, False, False
        self.open, self.idle_since = True, 0.0

    def ask(
        self, method: str, head: bytes, body: bytes | AsyncIterator[bytes] | None, *, chunked: bool
    ) -> Answer:
        """Send a request; a body that has yet to come is sent as it comes."""
        self._answer = answer = Answer(self, method)
        self._headers, self._reason, self._head_size, self._until_closed = [], b"", 0, False
        if body is None or isinstance(body, bytes):
            self._transport.write(head + body if body else head)
            return answer
        self._transport.write(head)
        self._unsent = True
        answer.sending = asyncio.ensure_future(self._send(body, chunked=chunked))
        answer.sending.add_done_callback(self._sent)
        return answer

    def close(self) -> None:
        """Hang up at once."""
        self.open = False
        self._transport.abort()

    def reusable(self) -> bool:
        """Whether another question may follow."""
        return self.open and self._answer is None

    def wait(self) -> None:
        """Let the server wait."""
        if not self._waiting:
            self._waiting = True
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if self._waiting:
            self._waiting = False
            self._transport.resume_reading()

    async def _send(self, body: AsyncIterator[bytes], *, chunked: bool) -> None:
        async for piece in body:
            if piece:
                await self._writable.wait()
                self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self._transport.write(b"0\r\n\r\n")
        self._unsent = False

    def _sent(self, sending: asyncio.Task[None]) -> None:
        if not sending.cancelled() and (error := sending.exception()):
            self._fail(cast(Exception, error))

    def _fail(self, fault: Exception) -> None:
        answer, self._answer = self._answer, None
        self.close()
        if answer is not None:
            answer.end(fault)
            if answer.sending is not None:
                answer.sending.cancel()

    def _finish(self) -> None:
        answer, self._answer = self._answer, None
        if answer is None:
            return
        if (
            self._unsent
            or self._until_closed
            or answer.method == "HEAD"
            or not self._parser.should_keep_alive()
        ):
            self.close()
        if answer.sending is not None:
            answer.sending.cancel()
        answer.end()
        if self.open:
            self.go_on()
            self._freed(self)

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way there."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Read what came; what nobody asked for ends the connection."""
        answer = self._answer
        if answer is None:
            self.close()
            return
        if not answer.status:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(Broken(str(error)))
            return
        if not answer.status and self._head_size > LONGEST_HEAD:
            self._fail(Broken("its head has no end"))
        answer.tell()

    def eof_received(self) -> None:
        """The server says no more; what it has not taken of the question would keep the connection."""
        self.connection_lost(None)

    def connection_lost(self, error: Exception | None) -> None:
        """The end, and of some answers the right one, unless it is ours."""
        if self.open and self._until_closed and error is None:
            self._finish()
        self.open = False
        self._writable.set()
        self._fail(Broken(str(error or "the connection was closed")))

    def pause_writing(self) -> None:
        """The server does not take more at present."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It does again."""
        self._writable.set()

    # What llhttp tells.

    def on_message_begin(self) -> None:
        """An answer; one that nobody asked for ends the connection."""
        if self._answer is None:
            self.close()

    def on_status(self, reason: bytes) -> None:
        """A part of the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or after the body a trailer, which nobody waits for."""
        if self._answer is not None and not self._answer.status:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is known; one of 1xx only announces another."""
        status, answer = self._parser.get_status_code(), self._answer
        if answer is None or status < 200:
            self._headers, self._reason = [], b""
            return
        answer.status, answer.reason, answer.headers = status, self._reason, self._headers
        framed = (
            bool(answer.all(b"content-length"))
            or "chunked" in "".join(answer.all(b"transfer-encoding")).lower()
        )
        self._until_closed = not framed and status not in NO_BODY and answer.method != "HEAD"
        if answer.method == "HEAD":
            self._finish()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._answer is not None:
            self._answer.add(body)

    def on_message_complete(self) -> None:
        """The end of an answer."""
        if self._answer is not None and self._answer.status:
            self._finish()


def _parser(line: Line) -> Any:
    parser = httptools.HttpResponseParser(line)
    # What every client accepts from a server, and so must reach it.
    parser.set_dangerous_leniencies(
        lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
    )
    return parser
