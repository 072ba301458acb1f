"""What the model server answers: a head as it was written, and a body that is read as it comes."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

Headers = list[tuple[bytes, bytes]]
# What is read before it is asked for; beyond it the server has to wait.
AHEAD = 2**17


class Broken(Exception):
    """The connection ended, or stopped being HTTP, before the answer was whole."""


class Source(Protocol):
    """Where an answer comes from."""

    def wait(self) -> None:
        """Send nothing more at present."""

    def go_on(self) -> None:
        """Send again."""

    def close(self) -> None:
        """End it."""


class Answer:
    """A status, headers as they were written, and a body that is read piece by piece."""

    def __init__(self, source: Source, method: str) -> None:
        self.status, self.reason, self.headers = 0, b"", cast("Headers", [])
        self.method, self.sending = method, cast("asyncio.Task[None] | None", None)
        self.whole = False
        self._source = source
        self._pieces: list[bytes] = []
        self._size = 0
        self._fault: Exception | None = None
        self._changed: asyncio.Future[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether something can be read without waiting."""
        return bool(self._pieces) or self.whole

    def all(self, name: bytes) -> list[str]:
        """Every value of a header; its name in small letters."""
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == name]

    async def head(self) -> None:
        """Wait until status and headers are known. Raises Broken when they never come."""
        while not (self.status or self._fault):
            await self._change()
        if not self.status and self._fault:
            raise self._fault

    async def read(self) -> bytes:
        """What has come since; nothing at the end. Raises Broken where the end is missing."""
        while not (self._pieces or self.whole or self._fault):
            await self._change()
        if not self._pieces and self._fault:
            raise self._fault
        piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._size = [], 0
        if not self.whole:
            self._source.go_on()
        return piece

    async def everything(self) -> bytes:
        """The whole body."""
        pieces = []
        while piece := await self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """No more of it is wanted."""
        if not self.whole:
            self._source.close()

    def add(self, piece: bytes) -> None:
        """Take what came; the line waits while too much of it lies here."""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > AHEAD:
            self._source.wait()

    def end(self, fault: Exception | None = None) -> None:
        """Nothing more will come."""
        self.whole, self._fault = fault is None, fault
        self.tell()

    def tell(self) -> None:
        """Wake whoever waits for it."""
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    async def _change(self) -> None:
        self._changed = asyncio.get_running_loop().create_future()
        await self._changed
