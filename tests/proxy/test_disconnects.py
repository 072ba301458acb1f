"""A client that hangs up ends what was asked in its name, wherever its request is at that moment.

`DISCONNECTS=200 pytest tests/proxy/test_disconnects.py` is the full number.
"""

import json
import os
import socket
import threading
import time
from dataclasses import replace

import pytest

from proxy.server import LONGEST_BODY
from tests.proxy.caller import Caller, request
from tests.proxy.inside import found, inside, nothing
from tests.proxy.upstream import Reply, Upstream, refused

DISCONNECTS = int(os.environ.get("DISCONNECTS", "10"))
CHAT = "/v1/chat/completions"
JSON = ("Content-Type", "application/json")
EVENTS = [("Content-Type", "text/event-stream")]
FIRST = b"data: 1\n\n"
PERIOD = 1.0

STREAMING = Reply(headers=EVENTS, body=[FIRST, 60.0, b"data: 2\n\n"], framing="chunked")
TALKING = Reply(headers=EVENTS, body=[FIRST * 2] + [0.001, b"data: x\n\n"] * 40_000, framing="chunked")
WAITING = Reply(hang=True)
HALF = Reply(headers=[JSON], body=[b"{", 60.0, b"}"], framing="chunked")


def asked(**more):
    message = {"role": "user", "content": "Which port?"}
    return json.dumps({"model": "m", "messages": [message]} | more).encode()


def recalling(_):
    return found("the port is 6543")


def until(happened, seconds=5.0):
    """Whether something happens in time."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def logged(proxy):
    return [json.loads(line) for line in proxy.log.getvalue().splitlines()]


def told(proxy, count):
    """The lines of the log, once there are so many."""
    assert until(lambda: len(logged(proxy)) >= count)
    return logged(proxy)


def gone(proxy):
    """How many clients hung up, and how many requests are still being answered, as it counts them."""
    with Caller(proxy.port) as caller:
        lines = caller.ask("GET", "/metrics").body.decode().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    # The question itself is being answered too.
    return float(values["recuerdo_clients_gone_total"]), float(values["recuerdo_requests_running"]) - 1


def read_to(caller, mark):
    """The answer as far as a mark in it."""
    caller.head()
    got = b""
    while mark not in got:
        got += caller.chunk()


def hang_up(proxy, upstream, body, *, read=b"", path=CHAT):
    """Ask, leave when the server has it and so much of the answer is here; seconds until it ends there."""
    before = len(upstream.requests), upstream.aborted
    with Caller(proxy.port) as caller:
        caller.send(request("POST", path, [JSON], body))
        assert until(lambda: len(upstream.requests) > before[0])
        if read:
            read_to(caller, read)
        left = time.monotonic()
    assert upstream.wait_aborted(before[1] + 1, PERIOD)
    return time.monotonic() - left


@pytest.mark.timeout(600)
@pytest.mark.parametrize("stream", [True, False])
def test_the_server_sees_within_a_second_that_the_client_is_gone(tmp_path, stream):
    count = DISCONNECTS // 2
    reply, read = (STREAMING, FIRST) if stream else (WAITING, b"")
    with Upstream(lambda _: reply) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        took = [hang_up(proxy, upstream, asked(stream=stream), read=read) for _ in range(count)]
        assert len(upstream.requests) == upstream.aborted == count
        assert {(line["code"], line["path"]) for line in told(proxy, count)} == {(499, CHAT)}
        assert gone(proxy) == (count, 0)
    print(f"{count} disconnects, slowest {max(took) * 1000:.0f} ms")


@pytest.mark.parametrize("stream", [True, False])
def test_all_at_once_may_leave(tmp_path, stream):
    count = DISCONNECTS // 2
    reply, read = (STREAMING, FIRST) if stream else (WAITING, b"")
    with Upstream(lambda _: reply) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        callers = [Caller(proxy.port) for _ in range(count)]
        for caller in callers:
            caller.send(request("POST", CHAT, [JSON], asked(stream=stream)))
        assert until(lambda: len(upstream.requests) == count, 20)
        for caller in callers if read else []:
            read_to(caller, FIRST)
        for caller in callers:
            caller.close()
        assert upstream.wait_aborted(count, PERIOD)
        assert {line["code"] for line in told(proxy, count)} == {499}


WHERE = {
    "talking": (TALKING, FIRST * 2, CHAT, recalling),
    "half an answer": (HALF, b"{", CHAT, recalling),
    "half a refusal": (replace(HALF, status=400), b"", CHAT, recalling),
    "without memory": (WAITING, b"", CHAT, nothing),
    "embeddings": (WAITING, b"", "/v1/embeddings", recalling),
}


@pytest.mark.parametrize("where", WHERE)
def test_wherever_the_answer_is_its_end_is_noticed(tmp_path, where):
    reply, read, path, recall = WHERE[where]
    with Upstream(lambda _: reply) as upstream, inside(upstream.url, tmp_path, recall) as proxy:
        hang_up(proxy, upstream, asked(stream=reply is TALKING), read=read, path=path)
        assert [line["code"] for line in told(proxy, 1)] == [499]
        assert gone(proxy) == (1, 0)


def test_a_client_that_resets_the_connection_is_gone_as_well(tmp_path):
    with Upstream(lambda _: STREAMING) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as line:
            line.sendall(request("POST", CHAT, [JSON], asked(stream=True)))
            while FIRST not in line.recv(65536):
                pass
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert upstream.wait_aborted(1, PERIOD)
        assert [line["code"] for line in told(proxy, 1)] == [499]


def test_a_client_that_reads_nothing_and_leaves_is_gone_as_well(tmp_path):
    flood = Reply(headers=EVENTS, body=[FIRST + b"x" * 65_536] * 2_000, framing="chunked")
    with Upstream(lambda _: flood) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        with Caller(proxy.port) as caller:
            caller.send(request("POST", CHAT, [JSON], asked(stream=True)))
            assert until(lambda: upstream.requests)
            assert not upstream.wait_aborted(1, 0.5)
        assert upstream.wait_aborted(1, PERIOD)
        assert [line["code"] for line in told(proxy, 1)] == [499]


def test_who_leaves_while_the_memory_is_asked_never_reaches_the_server(tmp_path):
    release = threading.Event()

    def slow(_):
        release.wait(20)
        return found("the port is 6543")

    with Upstream() as upstream, inside(upstream.url, tmp_path, slow, deadline_seconds=20.0) as proxy:
        with Caller(proxy.port) as caller:
            caller.send(request("POST", CHAT, [JSON], asked()))
            assert until(lambda: proxy.asked)
        (line,) = told(proxy, 1)
        release.set()
        assert (line["code"], line["rag"]) == (499, "skipped")
        assert line["seconds"] < PERIOD
        with Caller(proxy.port) as caller:  # nothing is left of it
            assert caller.ask("POST", CHAT, [JSON], asked()).header("x-rag-status") == "injected"
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("size", [1_000, 1_000_000, 40_000_000])
def test_who_leaves_while_uploading_leaves_no_request_behind(tmp_path, size):
    whole = request("POST", CHAT, [JSON], asked(padding="x" * size))
    with Upstream() as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        with Caller(proxy.port) as caller:
            caller.send(whole[: len(whole) - size // 2])
            time.sleep(0.2)
        (line,) = told(proxy, 1)
        assert line["code"] == 499
        # A request beyond the limit was on its way to the server already.
        assert upstream.wait_aborted(1, PERIOD) if size > LONGEST_BODY else not upstream.aborted
        assert upstream.requests == []
        assert gone(proxy) == (1, 0)
        with Caller(proxy.port) as caller:
            assert caller.ask("POST", CHAT, [JSON], asked()).status == 200


def test_who_leaves_while_the_request_is_sent_again_without_memory_is_gone_as_well(tmp_path):
    replies = iter([refused(400, "The context length is exceeded."), WAITING])
    with Upstream(lambda _: next(replies)) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        with Caller(proxy.port) as caller:
            caller.send(request("POST", CHAT, [JSON], asked()))
            assert until(lambda: len(upstream.requests) == 2)
        assert upstream.wait_aborted(1, PERIOD)
        assert [line["code"] for line in told(proxy, 1)] == [499]


def test_who_leaves_costs_those_who_stay_nothing(tmp_path):
    with Upstream(lambda _: STREAMING) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        staying = Caller(proxy.port)
        staying.send(request("POST", CHAT, [JSON], asked(stream=True, user="stays")))
        read_to(staying, FIRST)
        for _ in range(3):
            hang_up(proxy, upstream, asked(stream=True), read=FIRST)
        assert gone(proxy) == (3, 1)
        assert upstream.aborted == 3
        staying.close()
