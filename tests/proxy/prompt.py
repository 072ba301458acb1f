"""The scripted upstream without Nagle's algorithm, which would hold each second piece back for 40 ms."""

from __future__ import annotations

import asyncio
import socket

from tests.proxy.upstream import Upstream


class Prompt(Upstream):
    async def _talk(self, line: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await super()._talk(line, writer)
