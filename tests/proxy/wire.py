"""HTTP/1.1 as the scripted upstream speaks it: what was received, what is replied, down to the bytes."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Pair = tuple[str, str]


@dataclass(frozen=True)
class Received:
    head: bytes  # exactly as received, with the empty line
    method: str
    target: str
    headers: list[Pair]
    body: bytes  # without chunks

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class Reply:
    """What is sent; a number among the pieces is a pause in seconds.

    `raw` sends the pieces alone, status line and all, and closes. `cut` drops the connection after the pieces
    without the end of the framing, "reset" so that the other side sees an error. `hang` never answers.
    """

    status: int = 200
    headers: Sequence[Pair] = ()
    body: bytes | Iterable[bytes | float] = b""
    framing: Literal["length", "chunked", "close", "raw"] = "length"
    cut: bool | Literal["reset"] = False
    hang: bool = False

    def pieces(self) -> Iterable[bytes | float]:
        return [self.body] if isinstance(self.body, bytes) else self.body

    def head(self, length: int | None) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Scripted", *(f"{name}: {value}" for name, value in self.headers)]
        named = {name.lower() for name, _ in self.headers}
        if self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        elif self.framing == "close":
            lines.append("Connection: close")
        elif length is not None and "content-length" not in named:
            lines.append(f"Content-Length: {length}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Line(asyncio.StreamReader):
    """A reader that tells at once when the other side is gone, whatever is still unread."""

    def __init__(self) -> None:
        super().__init__(limit=2**26)
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: Exception) -> None:
        super().set_exception(exc)
        self.gone.set()


async def receive(head: bytes, line: Line) -> Received:
    start, *rest = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = start.split(" ")
    headers = [(name, value.strip()) for name, _, value in (one.partition(":") for one in rest)]
    sizes = {name.lower(): value.lower() for name, value in headers}
    body = bytearray()
    if sizes.get("transfer-encoding") == "chunked":
        while size := int((await line.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await line.readexactly(size + 2))[:-2]
        while await line.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
    else:
        body += await line.readexactly(int(sizes.get("content-length", 0)))
    return Received(head, method, target, headers, bytes(body))


async def send(reply: Reply, received: Received, writer: asyncio.StreamWriter) -> None:
    if reply.hang:
        await asyncio.Event().wait()
    pieces = list(reply.pieces()) if reply.framing == "length" else reply.pieces()
    bodiless = reply.status in {204, 304} or reply.status < 200
    if reply.framing != "raw":
        sizes = (len(one) for one in pieces if isinstance(one, bytes)) if isinstance(pieces, list) else ()
        writer.write(reply.head(None if bodiless else sum(sizes)))
    if received.method != "HEAD" and not bodiless:
        for piece in pieces:
            await _send_piece(piece, reply.framing == "chunked", writer)
        if reply.framing == "chunked" and not reply.cut:
            writer.write(b"0\r\n\r\n")
    await writer.drain()
    if reply.cut == "reset":
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


async def _send_piece(piece: bytes | float, chunked: bool, writer: asyncio.StreamWriter) -> None:
    if not isinstance(piece, bytes):
        await asyncio.sleep(piece)
    elif piece:
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        await writer.drain()
