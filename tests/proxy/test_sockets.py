"""HTTP/1.1 to the letter, on raw sockets: framing, pipelining, and what no client should send."""

import json
import socket
import time

import pytest

from tests.proxy.caller import Caller, request
from tests.proxy.inside import inside
from tests.proxy.upstream import Reply, Upstream

CHAT = "/v1/chat/completions"
HOST = b"Host: 127.0.0.1\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\n" + HOST
GET = b"GET /v1/models HTTP/1.1\r\n" + HOST
LINE = 65_536


@pytest.fixture(scope="module")
def upstream():
    with Upstream(
        lambda received: Reply(headers=[("Content-Type", "a/b")], body=received.body or b"none")
    ) as other:
        yield other


@pytest.fixture(scope="module")
def proxy(upstream, tmp_path_factory):
    with inside(upstream.url, tmp_path_factory.mktemp("proxy")) as running:
        yield running


@pytest.fixture
def caller(upstream, proxy):
    upstream.requests.clear()
    with Caller(proxy.port) as one:
        yield one


def test_a_connection_is_kept_on_both_sides(upstream, caller):
    for number in range(20):
        assert caller.ask("POST", CHAT, body=b"%d" % number).body == b"%d" % number
        assert caller.ask("GET", "/v1/models").body == b"none"
        assert caller.ask("GET", "/nowhere").status == 404
    assert caller.opened == 1


def test_requests_in_one_packet_are_answered_in_order(upstream, caller):
    bodies = [b"%d" % number * (number * 1000 + 1) for number in range(9)]
    caller.send(b"".join(request("POST", CHAT, body=body) for body in bodies) + request("GET", "/v1/models"))
    assert [caller.answer().body for _ in bodies] == bodies
    assert caller.answer().body == b"none"
    assert [received.body for received in upstream.requests] == [*bodies, b""]


def test_a_request_that_comes_byte_by_byte_is_one_request(upstream, caller):
    for byte in request("POST", CHAT, [("X-A", "1")], b"slow"):
        caller.send(bytes([byte]))
    assert caller.answer().body == b"slow"
    assert len(upstream.requests) == 1


def test_chunks_of_any_size_are_one_body(upstream, caller):
    pieces = [b"a", b"bc" * 40_000, b"d", b"\r\n0\r\n\r\n"]
    for path in (CHAT, "/v1/embeddings"):
        assert caller.ask("POST", path, pieces=pieces).body == b"".join(pieces)
    extended = b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n"
    caller.send(POST + extended)
    assert caller.answer().body == b"abc"
    assert upstream.requests[-1].header("x-trailer") is None


@pytest.mark.parametrize("path", [CHAT, "/v1/embeddings"])
def test_a_client_that_waits_for_it_is_told_to_send_its_body(upstream, caller, path):
    caller.send(request("POST", path, [("Expect", "100-continue")], b"body")[:-4])
    time.sleep(0.05)
    assert not upstream.requests
    assert caller.head().status == 100
    caller.send(b"body")
    assert caller.answer().body == b"body"
    assert upstream.requests[-1].header("expect") is None


def test_a_refused_client_is_not_told_to_send_its_body(upstream, caller):
    caller.send(request("POST", "/sleep", [("Expect", "100-continue")], b"body")[:-4])
    assert caller.head().status == 403
    assert not upstream.requests


def test_http_1_0_is_answered_and_closed(upstream, caller):
    caller.send(b"GET /v1/models HTTP/1.0\r\n\r\n")
    answer = caller.answer()
    assert (answer.version, answer.status, answer.body) == (b"HTTP/1.0", 200, b"none")
    caller.send(b"GET /v1/models HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert caller.answer().header("connection") == "keep-alive"
    caller.send(GET + b"\r\n")
    assert caller.answer().body == b"none"
    assert caller.opened == 2


def test_http_1_0_gets_a_stream_without_chunks(upstream, caller):
    events, script = [b"data: 1\n\n"] * 3, upstream.script
    upstream.script = lambda _: Reply(
        headers=[("Content-Type", "text/event-stream")], body=events, framing="chunked"
    )
    caller.send(b"GET /v1/models HTTP/1.0\r\n\r\n")
    answer = caller.answer()
    upstream.script = script
    assert answer.header("transfer-encoding") is None
    assert answer.body == b"data: 1\n\n" * 3


def test_a_body_of_nothing_is_a_request_like_any_other(upstream, caller):
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "GET", "PATCH"):
        assert caller.ask(method, CHAT).body == b"none"
        assert caller.ask(method, CHAT, body=b"").body == b"none"
        assert caller.ask(method, CHAT, pieces=[]).body == b"none"
    assert {received.body for received in upstream.requests} == {b""}


SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
MALFORMED = {
    "length and chunks": POST + b"Content-Length: 3\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "chunks and length": POST + CHUNKED + b"Content-Length: 60\r\n\r\n0\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 40\r\n\r\nabc",
    "a list of lengths": POST + b"Content-Length: 3, 3\r\n\r\nabc",
    "a signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "a space before the colon": POST + b"Content-Length : 3\r\n\r\nabc",
    "a folded line": POST + b"X-A: 1\r\n Content-Length: 3\r\n\r\nabc",
    "a bare line feed": POST + b"X-A: 1\nContent-Length: 3\r\n\r\nabc",
    "a bare carriage return": POST + b"X-A: 1\rContent-Length: 3\r\n\r\nabc",
    "a control character": POST + b"X-A: a\0b\r\n\r\n",
    "a name of no sign": POST + b": 1\r\n\r\n",
    "no size of a chunk": POST + CHUNKED + b"\r\nzz\r\nabc\r\n0\r\n\r\n",
    "no end of a chunk": POST + CHUNKED + b"\r\n1\r\nabc\r\n0\r\n\r\n",
    "no host": b"GET /v1/models HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: example.com\r\n\r\n",
    "a version of its own": b"GET /v1/models HTTP/x\r\n" + HOST + b"\r\n",
    "a word": b"hello\r\n\r\n",
    "the beginning of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "the beginning of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "too long a header": GET + b"X-A: " + b"x" * (LINE + 100) + b"\r\n\r\n",
    "too long a target": b"GET /v1/models?" + b"x" * (LINE + 100) + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "too many headers": GET + b"X-A: 1\r\n" * 5000 + b"\r\n",
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_is_no_request_is_refused_and_nothing_after_it_is_believed(upstream, proxy, caller, kind):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as line:
        line.sendall(MALFORMED[kind] + SMUGGLED)
        answered = b"".join(iter(lambda: line.recv(LINE), b""))
    assert answered.startswith(b"HTTP/1.0 400 ")
    assert json.loads(answered.partition(b"\r\n\r\n")[2])["error"].keys() == {
        "message",
        "type",
        "param",
        "code",
    }
    assert answered.count(b"\r\nServer: ") == 1
    assert not [received for received in upstream.requests if "smuggled" in received.target]
    assert caller.ask("GET", "/v1/models").body == b"none"


def test_long_lines_pass_up_to_a_limit(upstream, caller):
    value = "v" * (LINE - 100)
    assert caller.ask("GET", f"/v1/models?{value}", [("X-Long", value)]).body == b"none"
    assert upstream.requests[-1].target == f"/v1/models?{value}"
    assert upstream.requests[-1].header("x-long") == value


def test_a_refused_request_is_not_written_down(proxy, caller, capfd, caplog):
    caller.send(POST + b"Authorization: Bearer sk-secret\x01\r\n\r\n")
    assert caller.answer().status == 400
    assert "sk-secret" not in proxy.log.getvalue() + caplog.text + "".join(capfd.readouterr())


def test_half_requests_hold_nobody_else_up(proxy):
    half = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(200)]
    try:
        for line in half:
            line.sendall(POST + b"Content-Length: 10\r\nX-A:")
        started = time.monotonic()
        with Caller(proxy.port) as caller:
            assert caller.ask("POST", CHAT, body=json.dumps({}).encode()).body == b"{}"
        print(f"beside 200 half requests: {1000 * (time.monotonic() - started):.1f} ms")
    finally:
        for line in half:
            line.close()
