"""A client on a raw socket, for what must be seen to the byte: it sends what it is told and keeps what comes.

with Caller(proxy.port) as caller:
    answer = caller.ask("POST", "/v1/chat/completions", [("X-Twice", "1")], b"{}")
    assert (answer.status, answer.body) == (200, b"...")
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO

Pair = tuple[bytes, bytes]
SECONDS = 20


class Closed(Exception):
    """The other side closed before an answer was whole; `answer` is what there was of it."""

    def __init__(self, answer: Answer | None) -> None:
        super().__init__("closed")
        self.answer = answer


@dataclass
class Answer:
    version: bytes
    status: int
    reason: bytes
    headers: list[Pair]
    body: bytes = b""
    informed: list[int] = field(default_factory=list)
    """The 1xx that came before."""

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == name.encode()]

    def header(self, name: str) -> str | None:
        return next(iter(self.all(name)), None)


class Caller:
    """One connection; opened again where the other side has closed it between two requests."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._line: socket.socket | None = None
        self._from: IO[bytes]
        self.opened = 0

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self._line is not None:
            self._from.close()
            self._line.close()
            self._line = None

    def send(self, data: bytes) -> None:
        if self._line is None:
            self._line = socket.create_connection(("127.0.0.1", self._port), timeout=SECONDS)
            self._from = self._line.makefile("rb")
            self.opened += 1
        self._line.sendall(data)

    def ask(
        self,
        method: str,
        target: str,
        headers: Iterable[tuple[str, str | bytes]] = (),
        body: bytes | None = None,
        *,
        pieces: Sequence[bytes] | None = None,
    ) -> Answer:
        """One exchange; with `pieces` the body goes in chunks."""
        try:
            self.send(request(method, target, headers, body, pieces=pieces))
            return self.answer(method)
        except OSError:
            self.close()
            raise

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, read to the end of its framing."""
        answer = self.head()
        informed = []
        while answer.status < 200:
            informed.append(answer.status)
            answer = self.head()
        answer.informed = informed
        if method != "HEAD" and answer.status not in {204, 304}:
            self._body(answer)
        lasts = {b"HTTP/1.0": "keep-alive", b"HTTP/1.1": ""}.get(answer.version)
        if (answer.header("connection") or "").lower() != lasts:
            self.close()
        return answer

    def head(self) -> Answer:
        """The next answer's status and headers, as soon as they are there."""
        start = self._from.readline()
        if not start:
            self.close()
            raise Closed(None)
        version, status, reason = start.rstrip(b"\r\n").split(b" ", 2)
        headers = []
        while (line := self._from.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            headers.append((name, value.strip(b" \t\r\n")))
        return Answer(version, int(status), reason, headers)

    def chunk(self) -> bytes:
        """The next chunk of a body, as soon as it is there; nothing at its end."""
        line = self._from.readline()
        size = int(line.split(b";")[0], 16) + 2 if line else 1
        piece = self._from.read(size)
        if len(piece) < size:
            self.close()
            raise Closed(None)
        return piece[:-2]

    def _body(self, answer: Answer) -> None:
        try:
            if answer.header("transfer-encoding") == "chunked":
                self._chunks(answer)
            elif (length := answer.header("content-length")) is not None:
                answer.body = self._exactly(int(length), answer)
            else:
                answer.body = self._from.read()
                self.close()
        except ConnectionError as error:
            raise Closed(answer) from error

    def _chunks(self, answer: Answer) -> None:
        try:
            while piece := self.chunk():
                answer.body += piece
        except Closed:
            raise Closed(answer) from None

    def _exactly(self, size: int, answer: Answer) -> bytes:
        data = self._from.read(size)
        if len(data) < size:
            answer.body += data
            self.close()
            raise Closed(answer)
        return data


def request(
    method: str,
    target: str,
    headers: Iterable[tuple[str, str | bytes]] = (),
    body: bytes | None = None,
    *,
    pieces: Sequence[bytes] | None = None,
) -> bytes:
    """A request's bytes, framed by its length or in chunks."""
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1"), b"Host: 127.0.0.1"]
    for name, value in headers:
        lines.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode("latin-1")))
    if pieces is not None:
        body = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces if one) + b"0\r\n\r\n"
        lines.append(b"Transfer-Encoding: chunked")
    elif body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body or b""])
