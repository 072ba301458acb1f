"""Connections to the model server: which are used again, which are not, and who is made to wait."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from proxy.answer import AHEAD, Broken
from proxy.upstream import IDLE_SECONDS, Upstream
from tests.proxy.played import END, HANG, MEBIBYTE, MOST, OK, each, on_both_loops, played, told, until

IPV6 = Path("/proc/net/if_inet6").exists()


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time can be put forward."""

    ahead = 0.0

    def time(self):
        return super().time() + self.ahead


@pytest.mark.parametrize(
    "more", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", b"HTTP/1.1 408 ", b"xyz"]
)
@pytest.mark.parametrize("pause", [[], [0.02]])
@on_both_loops
async def test_what_nobody_asked_for_ends_a_connection_and_answers_nothing(more, pause):
    said = [OK, *pause, more, HANG] if pause else [OK + more, HANG]
    async with played(said, OK) as (server, upstream):
        assert (await told(upstream))[1] == b"hi"
        await until(lambda: server.ended == 1)
        answer, body = await told(upstream)
        assert (answer.status, body, server.over) == (200, b"hi", [0, 1])


@on_both_loops
async def test_where_the_server_ends_an_idle_connection_another_is_opened():
    async with played([OK, END], [OK, END], OK) as (server, upstream):
        for _ in range(3):
            assert (await told(upstream))[1] == b"hi"
            await asyncio.sleep(0.02)
        assert server.over == [0, 1, 2]


def test_a_connection_that_was_idle_too_long_is_ended_and_not_used():
    async def ask(loop):
        async with played(*[OK] * 9) as (server, upstream):
            await told(upstream)
            loop.ahead += IDLE_SECONDS - 0.5
            await told(upstream)
            loop.ahead += IDLE_SECONDS - 0.5  # the time counts from its last use
            await asyncio.gather(told(upstream), told(upstream))
            assert (sorted(server.over), server.ended) == ([0, 0, 0, 1], 0)
            loop.ahead += IDLE_SECONDS + 0.1
            await told(upstream)
            assert server.over[-1] == 2
            await until(lambda: server.ended == 2)

    with asyncio.Runner(loop_factory=Clock) as runner:
        runner.run(ask(runner.get_loop()))


@on_both_loops
async def test_several_questions_at_once_have_a_connection_each_and_leave_it_for_later():
    said = [[0.02, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % number] for number in range(8)]
    async with played(*said) as (server, upstream):
        for _ in range(2):
            asked = [told(upstream, target=f"/{number}") for number in range(4)]
            bodies = [body for _, body in await asyncio.gather(*asked)]
            targets = [question.target for question in server.questions[-4:]]
            assert [bodies[int(target[1:])][-1:] for target in targets] == [one[1][-1:] for one in said[:4]]
            said = said[4:]
        assert sorted(server.over) == [0, 0, 1, 1, 2, 2, 3, 3]


@on_both_loops
async def test_the_connection_used_last_is_used_first_and_dead_ones_are_passed_over():
    said = [[0.02, OK, 0.1, END], [0.04, OK], [0.06, OK], [0.08, OK, 0.04, END]]
    async with played(*said, OK, OK) as (server, upstream):
        await asyncio.gather(*(told(upstream) for _ in said))
        await until(lambda: server.ended == 2)
        await asyncio.sleep(0.02)  # until it is seen here too
        for _ in range(2):
            await told(upstream)
        third = server.over[2]
        assert server.over[4:] == [third, third]


@on_both_loops
async def test_closing_ends_the_connections_that_nobody_uses_and_no_other():
    async with played([OK[:-1], 0.1, OK[-1:]], OK) as (server, upstream):
        used = await upstream.ask("GET", "/", [], None)
        await told(upstream)
        upstream.close()
        await until(lambda: server.ended == 1)
        assert (await used.everything(), server.ended) == (b"hi", 1)


@on_both_loops
async def test_a_client_that_reads_slowly_makes_the_server_wait_and_the_connection_is_kept():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (64 * MEBIBYTE)
    async with played([head, *[b"x" * MEBIBYTE] * 64], OK) as (server, upstream):
        answer = await upstream.ask("GET", "/", [], None)
        await asyncio.sleep(0.2)
        assert server.sent < MOST * MEBIBYTE
        assert len(await answer.read()) < 2 * AHEAD + MEBIBYTE
        while piece := await answer.read():
            assert len(piece) < 2 * AHEAD + MEBIBYTE
        assert (await told(upstream))[1] == b"hi"
        assert server.over == [0, 0]


@on_both_loops
async def test_an_answer_that_nobody_reads_yet_does_not_hold_its_connection():
    long = b"x" * (AHEAD + 1)  # the last byte makes the server wait and is the end
    said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(long), long)
    async with played(said, OK) as (server, upstream):
        answer = await upstream.ask("GET", "/", [], None)
        await until(lambda: answer.whole)
        assert (await told(upstream))[1] == b"hi"
        assert await answer.everything() == long
        assert server.over == [0, 0]


@on_both_loops
async def test_what_came_in_the_meantime_is_read_at_once_however_much_was_read_before():
    pieces = [step for number in range(5) for step in (b"%d" % number, 0.01)]
    async with played([b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 2 * AHEAD, 0.1, *pieces, HANG]) as (_, upstream):
        answer = await upstream.ask("GET", "/", [], None)
        left = 2 * AHEAD
        while left:
            left -= len(await answer.read())
        await asyncio.sleep(0.3)
        assert await answer.read() == b"01234"
        answer.close()


async def closing(upstream):
    answer = await upstream.ask("GET", "/", [], None)
    try:
        return await answer.everything()
    finally:
        answer.close()


@pytest.mark.parametrize("begun", [[], [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"]])
@on_both_loops
async def test_whoever_is_cancelled_ends_the_question(begun):
    async with played([*begun, HANG], OK) as (server, upstream):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(closing(upstream), 0.1)
        await until(lambda: server.ended == 1)
        assert (await told(upstream))[1] == b"hi"


@on_both_loops
async def test_an_answer_that_was_closed_never_looks_whole():
    async with played([b"HTTP/1.1 200 OK\r\n\r\nabc", HANG]) as (server, upstream):
        answer = await upstream.ask("GET", "/", [], None)
        assert await answer.read() == b"abc"
        answer.close()
        with pytest.raises(Broken):
            await answer.read()
        await until(lambda: server.ended == 1)


@on_both_loops
async def test_whoever_is_cancelled_at_whatever_moment_harms_no_other_question():
    async with played(*[OK] * 200) as (_, upstream):
        for steps in range(40):
            await told(upstream)
            first = asyncio.create_task(told(upstream))
            for _ in range(steps):
                await asyncio.sleep(0)
            first.cancel()
            assert (await told(upstream))[1] == b"hi"
            await asyncio.wait([first])


@pytest.mark.skipif(not IPV6, reason="this machine has no IPv6")
@on_both_loops
async def test_an_ipv6_address_is_asked_and_named_in_brackets():
    async with played(OK, host="::1") as (server, upstream):
        await told(upstream)
        assert server.questions[0].header("host") == server.host
        assert server.host.startswith("[::1]:")


@on_both_loops
async def test_where_nobody_listens_there_is_no_connection():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        root = f"http://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(ConnectionRefusedError):
        await told(Upstream(root))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 that nobody vouches for, and its key."""
    if not (program := shutil.which("openssl")):
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    made, key = folder / "certificate.pem", folder / "key.pem"
    options = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -addext subjectAltName=IP:127.0.0.1"
    files = ["-out", str(made), "-keyout", str(key)]
    subprocess.run([program, *options.split(), *files], check=True, capture_output=True)
    return made, key


def secured(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


@on_both_loops
async def test_a_server_that_nobody_vouches_for_is_not_asked(certificate):
    async with played(OK, tls=secured(certificate)) as (server, upstream):
        with pytest.raises(OSError, match="certificate"):
            await told(upstream)
        assert server.questions == []


@on_both_loops
async def test_a_secure_connection_is_used_like_any_other(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    long = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * MEBIBYTE), b"x" * 4 * MEBIBYTE
    said = [OK, long, [b"HTTP/1.1 200 OK\r\n\r\nab", 0.01, b"cd", END], [b"HTTP/1.1 200 O", HANG]]
    async with played(*said, tls=secured(certificate)) as (server, upstream):
        assert (await told(upstream, "POST", "/", [], each(b"ab", b"cd")))[1] == b"hi"
        answer = await upstream.ask("GET", "/", [], None)
        await asyncio.sleep(0.1)  # it is longer than what is read ahead
        assert await answer.everything() == long[1]
        assert (await told(upstream))[1] == b"abcd"
        assert server.over == [0, 0, 0]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(told(upstream), 0.1)
        await until(lambda: server.ended == 2)
