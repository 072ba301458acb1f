"""An answer read from its bytes: whole where it is whole, broken where it is not, whatever the pieces."""

import asyncio
import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.answer import Broken
from proxy.line import LONGEST_HEAD
from tests.proxy.played import END, HANG, OK, RESET, on_both_loops, played, told

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FULL = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    b"HTTP/1.1 201 Made it\r\nX-Odd:\r\nx-odd:  two words\r\nX-N: \xff\xc3\xb1\x01\r\nTE: a\r\n"
    b"Transfer-Encoding: Chunked\r\n\r\n"
    b"3;a=b\r\nabc\r\nA \r\n0123456789\r\n0;last\r\nX-Trailer: t\r\nX-More: u\r\n\r\n"
)
FULL_HEADERS = [
    (b"X-Odd", b""),
    (b"x-odd", b"two words"),
    (b"X-N", b"\xff\xc3\xb1\x01"),
    (b"TE", b"a"),
    (b"Transfer-Encoding", b"Chunked"),
]


async def broken(upstream):
    """What came of an answer before it broke."""
    answer = await upstream.ask("GET", "/", [], None)
    came = b""
    with contextlib.suppress(Broken):
        while piece := await answer.read():
            came += piece
    with pytest.raises(Broken):
        await answer.read()
    assert not answer.whole
    return came


def check_full(answer, body):
    assert (answer.status, answer.reason, answer.headers) == (201, b"Made it", FULL_HEADERS)
    assert body == b"abc0123456789"
    assert answer.whole


@on_both_loops
async def test_every_announcement_before_the_answer_is_left_out():
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\nX-Not: 1\r\n\r\n"
    async with played([early, 0.01, early + OK], OK) as (server, upstream):
        for _ in range(2):
            answer, body = await told(upstream)
            assert (answer.status, answer.reason, body) == (200, b"OK", b"hi")
            assert answer.headers == [(b"Content-Length", b"2")]
        assert server.over == [0, 0]


@on_both_loops
async def test_an_answer_split_at_any_place_is_the_same_answer():
    splits = [[FULL[:place], 0.0, FULL[place:]] for place in range(1, len(FULL))]
    async with played(FULL, *splits, OK) as (server, upstream):
        for _ in range(len(FULL)):
            check_full(*await told(upstream))
        answer, _ = await told(upstream)
        assert answer.headers == [(b"Content-Length", b"2")]  # no trailer of the one before
        assert set(server.over) == {0}


@on_both_loops
async def test_an_answer_that_comes_byte_by_byte_is_the_same_answer():
    bytewise = [step for byte in FULL for step in (bytes([byte]), 0.0)]
    async with played(bytewise) as (_, upstream):
        check_full(*await told(upstream))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(FULL)), max_size=8), st.booleans())
def test_no_split_of_an_answer_changes_it_nor_lines_that_end_without_cr(places, bare):
    head, end, body = FULL.rpartition(b"Chunked\r\n\r\n")
    answer = head.replace(b"\r\n", b"\n") + end.replace(b"\r", b"") + body if bare else FULL
    cuts = [0, *sorted(places), len(answer)]
    steps = [step for a, b in itertools.pairwise(cuts) for step in (answer[a:b], 0.0)]

    async def ask():
        async with played(steps) as (_, upstream):
            return await told(upstream)

    check_full(*asyncio.run(ask()))


@on_both_loops
async def test_a_reason_may_be_missing_and_a_header_be_there_twice():
    said = b"HTTP/1.1 200\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 0\r\n\r\n"
    async with played(said) as (_, upstream):
        answer, body = await told(upstream)
        assert (answer.reason, answer.all(b"set-cookie"), body) == (b"", ["a", "b"], b"")


@on_both_loops
async def test_head_has_a_length_and_no_body_and_costs_its_connection():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    async with played([head, HANG], [head + b"123456789"], OK) as (server, upstream):
        for _ in range(2):
            answer, body = await told(upstream, "HEAD")
            assert (answer.all(b"content-length"), body) == (["9"], b"")
        assert (await told(upstream))[1] == b"hi"
        assert server.over == [0, 1, 2]


@pytest.mark.parametrize("more", [b"", b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n"])
@on_both_loops
async def test_204_and_304_have_no_body_whatever_they_announce(more):
    none = [b"HTTP/1.1 %d None\r\n%b\r\n" % (status, more) for status in (204, 304)]
    async with played(*none, OK) as (server, upstream):
        for status in (204, 304):
            answer, body = await told(upstream)
            assert (answer.status, body) == (status, b"")
        assert (await told(upstream))[1] == b"hi"
        assert server.over[0] == server.over[1] == server.over[2]


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize(
    "more", [b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Transfer-Encoding: gzip\r\n"]
)
@pytest.mark.parametrize("body", [[], [b"one", 0.01, b"two"]])
@on_both_loops
async def test_a_body_without_a_length_lasts_until_the_connection_ends(version, more, body):
    said = [b"HTTP/%b 200 OK\r\n%b\r\n" % (version, more), *body, END]
    async with played(said, OK) as (server, upstream):
        answer, came = await told(upstream)
        assert answer.whole
        assert came == b"".join(one for one in body if isinstance(one, bytes))
        await told(upstream)
        assert server.over == [0, 1]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (OK, True),
        (OK.replace(b"1.1", b"1.0"), False),
        (OK.replace(b"1.1", b"1.0").replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"), True),
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False),
        (CHUNKED.replace(b"chunked", b"gzip, chunked") + b"2\r\nhi\r\n0\r\n\r\n", True),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"2\r\nhi\r\n0\r\n\r\n", False),
    ],
)
@on_both_loops
async def test_a_connection_stays_where_the_server_says_so(said, kept):
    async with played([said, 0.01], OK) as (server, upstream):
        assert (await told(upstream))[1] == b"hi"
        await told(upstream)
        assert server.over == [0, 0 if kept else 1]


HALF = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"abcd", b"abcd"),
    "length, nothing yet": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"", b""),
    "chunks": (CHUNKED, b"2\r\nab\r\n2\r\ncd\r\n", b"abcd"),
    "in a chunk": (CHUNKED, b"9\r\nab", b"ab"),
    "in the last chunk": (CHUNKED, b"2\r\nab\r\n0\r\n", b"ab"),
    "in a trailer": (CHUNKED, b"2\r\nab\r\n0\r\nX: y\r\n", b"ab"),
    "no chunk": (CHUNKED, b"2\r\nab\r\nzz\r\ncd\r\n", b"ab"),
    "no end of a chunk": (CHUNKED, b"2\r\nabcd\r\n0\r\n\r\n", b"ab"),
    "endless chunk": (CHUNKED, b"2\r\nab\r\n" + b"f" * 30 + b"\r\n", b"ab"),
}


@pytest.mark.parametrize("fault", HALF)
@pytest.mark.parametrize("pause", [0.0, 0.02])
@on_both_loops
async def test_an_answer_that_is_cut_breaks_after_the_bytes_that_came(fault, pause):
    head, begun, came = HALF[fault]
    async with played([head, pause, begun, 0.01, END], OK) as (server, upstream):
        assert await broken(upstream) == came
        await told(upstream)
        assert server.over == [0, 1]


@pytest.mark.parametrize("more", [b"", b"Content-Length: 9\r\n"])
@on_both_loops
async def test_an_answer_that_ends_in_a_reset_is_never_whole(more):
    async with played([b"HTTP/1.1 200 OK\r\n%b\r\nabcd" % more, 0.02, RESET]) as (_, upstream):
        assert await broken(upstream) == b"abcd"


NO_HEAD = {
    "nothing": (b"",),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le",),
    "an announcement": (b"HTTP/1.1 100 Continue\r\n\r\n",),
    "no HTTP": (b"220 mail ESMTP\r\n\r\n", HANG),
    "another protocol": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\nab",
        HANG,
    ),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", HANG),
    "length and chunks": (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\n"), HANG),
}


@pytest.mark.parametrize("fault", NO_HEAD)
@on_both_loops
async def test_what_is_no_answer_is_broken_and_ends_the_connection(fault):
    async with played([*NO_HEAD[fault], END], OK) as (server, upstream):
        with pytest.raises(Broken):
            await told(upstream)
        await told(upstream)
        assert server.over == [0, 1]


@pytest.mark.parametrize("line", [b"X-More: %b\r\n" % (b"y" * 1000), b"y" * 1000])
@on_both_loops
async def test_a_head_without_an_end_is_broken(line):
    async def talk(server, _, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            await server.send(writer, line)

    async with played(talk) as (server, upstream):
        with pytest.raises(Broken, match="no end"):
            await told(upstream)
        assert server.sent >= LONGEST_HEAD - 2000


@on_both_loops
async def test_a_head_just_short_of_the_longest_is_an_answer_however_long_that_is():
    value, long = b"y" * (LONGEST_HEAD - 200), b"z" * LONGEST_HEAD
    said = b"HTTP/1.1 200 OK\r\nX-Long: %b\r\nContent-Length: %d\r\n\r\n%b" % (value, len(long), long)
    async with played(said, said) as (server, upstream):
        for _ in range(2):  # what one head took is not held against the next
            answer, body = await told(upstream)
            assert (answer.all(b"x-long"), body) == ([value.decode()], long)
        assert server.over == [0, 0]
