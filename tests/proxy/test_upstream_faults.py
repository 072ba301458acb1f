"""A model server that is away, hangs, breaks off or refuses: the client learns it as it is, and once."""

import json
import socket
import time
from contextlib import ExitStack

import httpx
import openai
import pytest

from tests.proxy.caller import Caller, Closed
from tests.proxy.inside import found, inside
from tests.proxy.upstream import Reply, Upstream, chat, refused

CHAT = "/v1/chat/completions"
TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]
JSON = ("Content-Type", "application/json")
EVENTS = ("Content-Type", "text/event-stream")
EVENT = b'data: {"choices": []}\n\n'
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"

NO_ANSWER = {
    "closed": Reply(framing="raw"),
    "reset": Reply(framing="raw", cut="reset"),
    "half a head": Reply(framing="raw", body=b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "not HTTP": Reply(framing="raw", body=b"220 mail.example ESMTP\r\n\r\n"),
}
HALF = {
    "length": (Reply(headers=[JSON, ("Content-Length", "9")], body=[b"abcd"], cut=True), b"abcd"),
    "length, reset": (
        Reply(headers=[JSON, ("Content-Length", "9")], body=[b"abcd", 0.1], cut="reset"),
        b"abcd",
    ),
    "chunks": (Reply(headers=[JSON], body=[b"ab", b"cd"], framing="chunked", cut=True), b"abcd"),
    "nothing yet": (Reply(headers=[JSON, ("Content-Length", "9")], cut=True), b""),
    "events by length": (
        Reply(headers=[EVENTS, ("Content-Length", "999")], body=[EVENT], cut=True),
        EVENT,
    ),
    "no chunk": (Reply(framing="raw", body=[CHUNKED % b"application/json", 0.1, b"zz\r\n"]), b"ab"),
}
STREAMS = {
    "between events": (Reply(headers=[EVENTS], body=[EVENT], framing="chunked", cut=True), EVENT),
    "in an event": (
        Reply(headers=[EVENTS], body=[EVENT + b"data: {"], framing="chunked", cut=True),
        EVENT + b"data: {",
    ),
    "reset": (Reply(headers=[EVENTS], body=[EVENT, 0.1], framing="chunked", cut="reset"), EVENT),
    "before the first": (Reply(headers=[EVENTS], framing="chunked", cut=True), b""),
    "no chunk": (Reply(framing="raw", body=[CHUNKED % b"text/event-stream", 0.1, b"zz\r\n"]), b"ab"),
}


def request(**more):
    message = {"role": "user", "content": "Which port?"}
    return json.dumps({"model": "m", "messages": [message], "tools": TOOLS} | more).encode()


def away():
    """The address of a server that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        return f"http://127.0.0.1:{gone.getsockname()[1]}"


def error(answer):
    told = json.loads(answer.body)["error"]
    assert set(told) == {"message", "type", "param", "code"}
    return told


def recalling(asked):
    return found("the port is 6543")


def broken_off(proxy):
    """What a client got of an answer that never came to its end."""
    with Caller(proxy.port) as caller, pytest.raises(Closed) as closed:
        caller.ask("POST", CHAT, [JSON], request())
    return closed.value.answer


@pytest.mark.parametrize("path", [CHAT, "/v1/embeddings", "/tokenize"])
def test_where_nothing_answers_the_client_gets_502_and_when_to_come_back(tmp_path, path):
    with inside(away(), tmp_path, recalling) as proxy, Caller(proxy.port) as caller:
        began = time.monotonic()
        answer = caller.ask("POST", path, [JSON], request())
        assert time.monotonic() - began < 3
        assert (answer.status, answer.header("retry-after")) == (502, "5")
        assert error(answer)["code"] == "upstream_unreachable"
        assert caller.ask("GET", "/health").status == 200
        ready = caller.ask("GET", "/ready")
        assert (ready.status, json.loads(ready.body)["degraded"][0]["part"]) == (503, "model server")


@pytest.mark.parametrize("fault", NO_ANSWER)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_no_answer_is_502_and_the_request_is_sent_once(tmp_path, fault, method):
    with Upstream(chat("Hola.")) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        with Caller(proxy.port) as caller:
            target, body = (CHAT, request()) if method == "POST" else ("/v1/models", None)
            assert caller.ask(method, target, [JSON], body).status == 200  # the connection is kept
            upstream.script = lambda _: NO_ANSWER[fault]
            answer = caller.ask(method, target, [JSON], body)
        assert (answer.status, answer.header("retry-after")) == (502, "5")
        assert error(answer)["code"] == "upstream_closed"
        assert len(upstream.requests) == 2


def test_a_server_that_hangs_is_waited_for_as_long_as_the_client_waits(tmp_path):
    with Upstream(lambda _: Reply(hang=True)) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        for stream in (False, True):
            with pytest.raises(httpx.ReadTimeout), httpx.Client(trust_env=False, timeout=0.7) as client:
                client.post(f"{proxy.url}{CHAT}", content=request(stream=stream))
        assert upstream.wait_aborted(2, 1)
        assert len(upstream.requests) == 2


def test_a_server_that_accepts_no_connection_is_given_up_after_five_seconds(tmp_path):
    with ExitStack() as waiting:
        full = waiting.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for one in [waiting.enter_context(socket.socket()) for _ in range(4)]:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        address = f"http://127.0.0.1:{full.getsockname()[1]}"
        with inside(address, tmp_path) as proxy, Caller(proxy.port) as caller:
            began = time.monotonic()
            answer = caller.ask("POST", CHAT, [JSON], request())
            assert 4 < time.monotonic() - began < 8
    assert (answer.status, answer.header("retry-after")) == (504, "5")
    assert error(answer)["code"] == "upstream_timeout"


@pytest.mark.parametrize("fault", HALF)
def test_an_answer_that_is_cut_never_looks_whole(tmp_path, fault):
    reply, begun = HALF[fault]
    with Upstream(lambda _: reply) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        assert broken_off(proxy).body == begun
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("fault", STREAMS)
def test_a_stream_that_is_cut_says_so_in_an_event_of_its_own_and_never_done(tmp_path, fault):
    reply, begun = STREAMS[fault]
    with Upstream(lambda _: reply) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        body = broken_off(proxy).body
        assert len(upstream.requests) == 1
    assert body.startswith(begun)
    *_, last, nothing = body.split(b"\n\n")
    assert nothing == b""
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "upstream_closed"
    assert b"[DONE]" not in body


def test_a_refusal_that_is_cut_never_looks_whole(tmp_path):
    head = [JSON, ("Content-Length", "900")]
    replies = [
        Reply(400, head, [b'{"error": {"message": "The tempera'], cut=True),
        Reply(400, head, cut=True),
        Reply(400, [JSON], [b'{"error": ', 0.05, b"{"], framing="chunked", cut="reset"),
    ]
    for number, reply in enumerate(replies):
        with Upstream(lambda _, reply=reply: reply) as upstream:
            with inside(upstream.url, tmp_path / str(number), recalling) as proxy:
                answer = broken_off(proxy)
            assert answer.status == 400
            assert answer.body == b"".join(piece for piece in reply.body if isinstance(piece, bytes))
            assert len(upstream.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529])
def test_a_refusal_arrives_as_it_is_and_the_request_is_sent_once(tmp_path, status):
    named = [("Retry-After", "7"), ("retry-after-ms", "70"), ("x-should-retry", "true")]
    named += [("x-ratelimit-remaining-requests", "0"), ("x-request-id", "req-1")]
    reply = refused(status, "Not today.", named)
    with Upstream(lambda _: reply) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        with Caller(proxy.port) as caller:
            answer = caller.ask("POST", CHAT, [JSON], request())
        assert (answer.status, answer.body) == (status, reply.body)
        assert [(name, answer.header(name.lower())) for name, _ in named] == named
        assert len(upstream.requests) == 1


def test_only_the_client_tries_again_and_with_the_same_prompt(tmp_path):
    busy = refused(503, "Loading.", [("retry-after-ms", "5")])
    own = openai.DefaultHttpxClient(trust_env=False)
    with Upstream(lambda _: busy) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        base = f"{proxy.url}/v1"
        client = openai.OpenAI(base_url=base, api_key="k", max_retries=2, http_client=own)
        with client, pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**json.loads(request()))
        assert len(upstream.requests) == 3
        assert len({received.body for received in upstream.requests}) == 1
        assert b"6543" in upstream.requests[0].body


def test_pieces_pass_as_they_come_however_slowly(tmp_path):
    events = [b"data: %d\n\n" % number for number in range(4)]
    reply = Reply(
        headers=[EVENTS], body=[one for event in events for one in (event, 0.25)], framing="chunked"
    )
    with Upstream(lambda _: reply) as upstream, inside(upstream.url, tmp_path) as proxy:
        client = httpx.Client(trust_env=False)
        with client, client.stream("POST", f"{proxy.url}{CHAT}", content=request(stream=True)) as answer:
            began = time.monotonic()
            came = [(piece, time.monotonic() - began) for piece in answer.iter_raw()]
    assert [piece for piece, _ in came] == events
    assert came[0][1] < 0.2
    assert came[3][1] > 0.6


def test_a_request_that_the_server_never_answered_is_no_reason_to_forget_its_memory(tmp_path):
    once = iter([Reply(framing="raw"), refused(500, "No.")])
    with Upstream(lambda _: next(once, chat("Hola."))) as upstream:
        with inside(upstream.url, tmp_path, recalling) as proxy, Caller(proxy.port) as caller:
            answers = [caller.ask("POST", CHAT, [JSON, ("x-affinity", "s")], request()) for _ in range(3)]
            assert len(proxy.asked) == 1
        assert [answer.status for answer in answers] == [502, 500, 200]
        assert [answer.header("x-rag-status") for answer in answers] == ["injected", "replayed", "replayed"]
        assert len({received.body for received in upstream.requests}) == 1
