"""The model server: where it is, and the connections to it that are kept for the next question."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from functools import partial
from urllib.parse import urlsplit

from proxy.answer import Answer, Headers
from proxy.line import Body, Line

CONNECT_SECONDS = 5.0
# A little less than servers keep an idle connection, so that none is used that is just being closed.
IDLE_SECONDS = 4.0


class Upstream:
    """One server, asked on one event loop."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        parts = urlsplit(self.root)
        self._host, self._prefix = parts.hostname or "", parts.path
        self._name = parts.netloc.rpartition("@")[2].encode()
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._tls = ssl.create_default_context() if self._secure else None
        self._idle: deque[Line] = deque()

    async def ask(self, method: str, target: str, headers: Headers, body: Body) -> Answer:
        """Send a request as it is given; pieces of a body go in chunks where its length is not told.

        Raises:
            OSError: there is no connection. TimeoutError: none within some seconds.
            Broken: no answer came over it.
        """
        length = any(name.lower() == b"content-length" for name, _ in headers)
        chunked = not (body is None or isinstance(body, bytes) or length)
        head = [
            b"%b %b HTTP/1.1" % (method.encode(), (self._prefix + target).encode("utf-8", "surrogateescape"))
        ]
        head += [b"Host: " + self._name, *(b"%b: %b" % header for header in headers)]
        head += [b"Transfer-Encoding: chunked"] if chunked else []
        line = await self._line()
        answer = line.ask(method, b"\r\n".join(head) + b"\r\n\r\n", body, chunked=chunked)
        try:
            await answer.head()
        except BaseException:
            answer.close()  # only where it is not whole: its line may answer somebody else by now
            raise
        return answer

    def close(self) -> None:
        """End the connections that nobody uses; whoever uses one ends it."""
        while self._idle:
            self._idle.pop().close()

    async def _line(self) -> Line:
        """A connection that is free, the last used first; else a new one."""
        loop = asyncio.get_running_loop()
        while self._idle and loop.time() - self._idle[0].idle_since > IDLE_SECONDS:
            self._idle.popleft().close()
        while self._idle:
            if (line := self._idle.pop()).reusable():
                return line
        async with asyncio.timeout(CONNECT_SECONDS):
            make = partial(Line, self._freed)
            _, line = await loop.create_connection(make, self._host, self._port, ssl=self._tls)
        return line

    def _freed(self, line: Line) -> None:
        line.idle_since = asyncio.get_running_loop().time()
        self._idle.append(line)
