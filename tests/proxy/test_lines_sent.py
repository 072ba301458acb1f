"""What is sent to the model server, byte for byte, and what ends the sending before its end."""

import asyncio
import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.answer import Broken
from tests.proxy.played import MEBIBYTE, MOST, OK, SOON_SECONDS, each, on_both_loops, played, told, until

LONG = [(b"Content-Length", b"%d" % (64 * MEBIBYTE))]


class Own(Exception):
    pass


class Pieces:
    """A body that is made piece by piece, 64 MiB if nothing stops it."""

    def __init__(self, piece=b"x" * MEBIBYTE, pause=0.0, count=64, fault=None):
        self.made, self.ended = 0, False
        self._piece, self._pause, self._count, self._fault = piece, pause, count, fault

    async def __aiter__(self):
        try:
            while self.made < self._count:
                self.made += 1
                yield self._piece
                await asyncio.sleep(self._pause)
            if self._fault:
                raise self._fault
        finally:
            self.ended = True


REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 8\r\n\r\n"


async def refuse(server, reader, writer):
    """Read some of the body, refuse the rest, and wait for the other side to end it."""
    await reader.readexactly(200)
    for piece in (REFUSAL, b"too ", b"long"):
        writer.write(piece)
        await asyncio.sleep(0.02)
    await reader.read() if server.opened > 1 else await asyncio.sleep(SOON_SECONDS)


@pytest.mark.parametrize("pieces", [{"pause": 0.001}, {"piece": b"x" * 99, "pause": 0.001, "count": 10**9}])
@pytest.mark.parametrize("headers", [[], LONG])
@on_both_loops
async def test_a_refusal_before_the_body_is_sent_is_read_whole_and_ends_the_sending(pieces, headers):
    async with played(refuse) as (server, upstream):
        body = Pieces(**pieces)
        answer, told_why = await told(upstream, "POST", "/", headers, body)
        assert (answer.status, told_why) == (413, b"too long")
        with pytest.raises(asyncio.CancelledError):
            await answer.sending
        made = body.made
        await asyncio.sleep(0.02)
        assert body.made == made < 10**9
        again, _ = await told(upstream, "POST", "/", headers, Pieces(**pieces))
        assert (again.status, server.opened) == (413, 2)


@on_both_loops
async def test_a_refusal_that_lasts_until_the_end_is_whole_though_nobody_reads_the_body():
    async def talk(_, reader, writer):
        await reader.readexactly(200)
        await asyncio.sleep(0.1)  # by now neither side takes more
        writer.write(b"HTTP/1.1 413 Too Large\r\n\r\ntoo long")
        writer.write_eof()
        await asyncio.sleep(SOON_SECONDS * 2)

    async with played(talk) as (_, upstream), asyncio.timeout(SOON_SECONDS):
        answer, body = await told(upstream, "POST", "/", LONG, Pieces())
        assert (answer.status, body) == (413, b"too long")


@on_both_loops
async def test_the_bodys_own_fault_is_raised_and_ends_the_question():
    async with played(OK) as (server, upstream):
        with pytest.raises(Own):
            await told(upstream, "POST", "/", [], Pieces(count=2, piece=b"ab", fault=Own()))
        await until(lambda: server.ended == 1)
        assert server.questions == []
        assert (await told(upstream))[1] == b"hi"


@on_both_loops
async def test_the_bodys_own_fault_is_raised_where_the_answer_is_being_read():
    async def talk(_, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
        await reader.read()

    async with played(talk) as (server, upstream):
        body = Pieces(count=20, piece=b"ab", pause=0.005, fault=Own())
        answer = await upstream.ask("POST", "/", [], body)
        assert await answer.read() == b"abc"
        with pytest.raises(Own):
            await answer.read()
        await until(lambda: server.ended == 1)


@pytest.mark.parametrize("pieces", [{"pause": 0.002}, {"piece": b"x", "pause": 3600.0}])
@pytest.mark.parametrize(("seconds", "fault"), [(0.05, Broken), (SOON_SECONDS, TimeoutError)])
@on_both_loops
async def test_where_the_question_ends_the_sending_ends(pieces, seconds, fault):
    async def talk(_, reader, __):
        await reader.readexactly(1)
        await asyncio.sleep(seconds)

    async with played(talk) as (_, upstream):
        body = Pieces(**pieces)
        with pytest.raises(fault):
            await asyncio.wait_for(told(upstream, "POST", "/", [], body), 0.2)
        await until(lambda: body.ended)


@pytest.mark.parametrize("headers", [[], LONG])
@on_both_loops
async def test_a_server_that_reads_slowly_makes_the_body_wait(headers):
    begin = asyncio.Event()

    async def talk(_, reader, writer):
        await begin.wait()
        while await reader.read(MEBIBYTE):
            if body.ended:
                writer.write(OK)

    body = Pieces()
    async with played(talk) as (_, upstream):
        asking = asyncio.create_task(told(upstream, "POST", "/", headers, body))
        await asyncio.sleep(0.2)
        assert body.made < MOST
        begin.set()
        assert (await asking)[1] == b"hi"
        assert body.made == 64


async def failing(steps):
    for _ in range(steps):
        yield b""
        await asyncio.sleep(0)
    raise Own


async def later(steps, upstream):
    for _ in range(steps):
        await asyncio.sleep(0)
    return await told(upstream)


@on_both_loops
async def test_a_body_that_fails_at_whatever_moment_harms_no_other_question():
    async def talk(_, reader, writer):
        while (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET"):
            writer.write(OK)
        writer.write(OK)  # before the body is there
        await reader.read()

    async with played(talk) as (_, upstream):
        for steps, more in itertools.product(range(6), range(6)):
            await told(upstream)
            other = asyncio.create_task(later(steps + more, upstream))
            with contextlib.suppress(Own):
                await told(upstream, "POST", "/", [], failing(steps))
            assert (await other)[1] == b"hi"


@on_both_loops
async def test_a_head_is_sent_as_it_is_given():
    headers = [(b"X-b", b"\xff\xc3\xb1 y"), (b"x-B", b""), (b"ACCEPT", b"*/*"), (b"a", b"1"), (b"a", b"0")]
    async with played(OK, OK, user="user:word@", prefix="/under/") as (server, upstream):
        await told(upstream, "PATCH", "/a%20b?c=\xf1\udcff", headers)
        await told(upstream, "HEAD", "*")
        host = server.host.encode()
        assert upstream.root.endswith("/under")
        assert [question.head for question in server.questions] == [
            b"PATCH /under/a%20b?c=\xc3\xb1\xff HTTP/1.1\r\nHost: " + host + b"\r\nX-b: \xff\xc3\xb1 y\r\n"
            b"x-B: \r\nACCEPT: */*\r\na: 1\r\na: 0\r\n\r\n",
            b"HEAD /under* HTTP/1.1\r\nHost: " + host + b"\r\n\r\n",
        ]


@pytest.mark.parametrize(
    ("headers", "body", "sent"),
    [
        ([], None, b""),
        ([(b"Content-Length", b"0")], None, b""),
        ([(b"Content-Length", b"0")], b"", b""),
        ([(b"content-length", b"4")], b"abcd", b"abcd"),
        ([(b"content-LENGTH", b"4")], (b"ab", b"", b"cd"), b"abcd"),
        ([(b"content-length", b"0")], (), b""),
        ([], (b"ab", b"", b"c" * 17), b"2\r\nab\r\n11\r\n" + b"c" * 17 + b"\r\n0\r\n\r\n"),
        ([], (b"",), b"0\r\n\r\n"),
    ],
)
@on_both_loops
async def test_a_body_goes_in_chunks_where_its_length_is_not_told(headers, body, sent):
    async def talk(server, reader, writer):
        for _ in range(2):
            server.questions.append(await reader.readuntil(b"\r\n\r\n"))
            assert await reader.readexactly(len(sent)) == sent
            writer.write(OK)

    async with played(talk) as (server, upstream):
        for _ in range(2):
            await told(upstream, "POST", "/", headers, each(*body) if isinstance(body, tuple) else body)
        chunked = isinstance(body, tuple) and not headers
        assert [b"\r\nTransfer-Encoding: chunked\r\n" in head for head in server.questions] == [chunked] * 2
        assert server.opened == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=12), st.booleans())
def test_whatever_its_pieces_a_body_arrives_as_it_is(pieces, measured):
    whole = b"".join(pieces)
    headers = [(b"Content-Length", b"%d" % len(whole))] if measured else []

    async def ask():
        async with played(OK, OK) as (server, upstream):
            for _ in range(2):
                await told(upstream, "POST", "/", headers, each(*pieces))
            assert [question.body for question in server.questions] == [whole, whole]
            assert server.over == [0, 0]

    asyncio.run(ask())
