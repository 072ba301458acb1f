"""A model server that plays bytes, on the event loop of the test that asks it.

@on_both_loops
async def test_...():
    async with played(OK, [b"HTTP/1.1 200 OK\r\n", 0.1, END]) as (server, upstream):
        assert (await told(upstream))[1] == b"hi"

Questions get the answers in turn, over whatever connections they come. An answer is bytes, or a list of
steps: bytes, a pause in seconds, the end as `END` or `RESET`, or `HANG` until the other side ends it. A
function in place of the answers talks by itself.
"""

import asyncio
import inspect
import socket
import struct
from contextlib import asynccontextmanager

import pytest
import uvloop

from proxy.upstream import Upstream
from tests.proxy.wire import receive

LONGEST_SECONDS = 20
SOON_SECONDS = 1
MEBIBYTE = 2**20
MOST = 24  # MiB that two sockets and our own buffers may hold on the way, with room
END, RESET, HANG = object(), object(), object()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Server:
    def __init__(self, talk):
        self.questions, self.over = [], []  # what came, and over which connection
        self.opened = self.ended = self.sent = 0
        self.host = ""
        self._talk, self._talks = talk, set()

    async def talk(self, reader, writer):
        """One connection, until either side ends it."""
        self.opened += 1
        self._talks.add(asyncio.current_task())
        try:
            await self._talk(self, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.ended += 1
            writer.transport.abort()

    async def send(self, writer, piece):
        writer.write(piece)
        await writer.drain()
        self.sent += len(piece)

    async def stop(self):
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks)


def reset(writer):
    """Let the end of a connection be a fault for the other side."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def answering(answers):
    left = iter(answers)

    async def talk(server, reader, writer):
        number = server.opened - 1
        while True:
            question = await receive(await reader.readuntil(b"\r\n\r\n"), reader)
            server.questions.append(question)
            server.over.append(number)
            answer = next(left)
            for step in [answer] if isinstance(answer, bytes) else answer:
                if step is END or step is RESET:
                    return writer.close() if step is END else reset(writer)
                if step is HANG:
                    await reader.read()
                elif isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    await server.send(writer, step)

    return talk


@asynccontextmanager
async def played(*answers, host="127.0.0.1", user="", prefix="", tls=None):
    """A server that plays the answers, and the upstream that stands for it."""
    server = Server(answers[0] if callable(answers[0]) else answering(answers))
    listening = await asyncio.start_server(server.talk, host, 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    server.host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    upstream = Upstream(f"{'https' if tls else 'http'}://{user}{server.host}{prefix}")
    try:
        yield server, upstream
    finally:
        upstream.close()
        listening.close()
        await server.stop()
        await asyncio.sleep(0.01)  # what was aborted is closed a moment later


async def told(upstream, method="GET", target="/", headers=(), body=None):
    """A question asked, and its answer read to the end."""
    answer = await upstream.ask(method, target, list(headers), body)
    return answer, await answer.everything()


async def each(*pieces):
    for piece in pieces:
        yield piece


async def until(true):
    """Wait until something holds, for a second at most."""
    async with asyncio.timeout(SOON_SECONDS):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)


def on_both_loops(test):
    """Run a test on asyncio's event loop and on uvloop; what is left to the loop to report is a failure."""

    def run(loop, **more):
        reported = []
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.get_loop().set_exception_handler(lambda _, report: reported.append(report))
            runner.run(asyncio.wait_for(test(**more), LONGEST_SECONDS))
        assert reported == []

    run.__name__, run.__module__ = test.__name__, test.__module__
    loop = inspect.Parameter("loop", inspect.Parameter.KEYWORD_ONLY)
    given = inspect.signature(test)
    run.__signature__ = given.replace(parameters=[*given.parameters.values(), loop])
    run.pytestmark = getattr(test, "pytestmark", [])
    loops = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}
    return pytest.mark.parametrize("loop", loops.values(), ids=loops)(run)
