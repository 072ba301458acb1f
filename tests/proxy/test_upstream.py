"""The scripted upstream is what all tests of the proxy believe in, so it is held to the bytes here."""

import json
import socket
import time
from urllib.parse import urlsplit

import httpx
import pytest

from tests.proxy.upstream import Reply, Upstream, chat, refused, said

TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}], "tools": TOOLS}


def connected(upstream):
    address = urlsplit(upstream.url)
    return socket.create_connection((address.hostname, address.port), timeout=5)


def exchanged(upstream, sent):
    """All that comes back until the server closes."""
    with connected(upstream) as line:
        line.sendall(sent)
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b""))


def asked(upstream, **more):
    with httpx.Client(trust_env=False, timeout=5) as client:
        return client.post(f"{upstream.url}/v1/chat/completions", json=QUESTION | more)


def events(response):
    assert response.text.endswith("data: [DONE]\n\n")
    return [json.loads(event.removeprefix("data: ")) for event in response.text.split("\n\n")[:-2]]


def test_it_keeps_what_it_received_byte_for_byte():
    head = (
        b"POST /v1/%2Fx?a=%41 HTTP/1.1\r\nhOST: a\r\nX-Twice: 1\r\nx-twice:  2\r\nContent-Length: 3\r\n\r\n"
    )
    with Upstream(lambda _: Reply(204)) as upstream:
        assert exchanged(upstream, head + b"\xff{}").startswith(b"HTTP/1.1 204 Scripted\r\n\r\n")
    received = upstream.requests[0]
    assert received.head == head
    assert (received.method, received.target, received.body) == ("POST", "/v1/%2Fx?a=%41", b"\xff{}")
    assert received.headers[:3] == [("hOST", "a"), ("X-Twice", "1"), ("x-twice", "2")]
    assert received.header("x-TWICE") == "1"


def test_a_chunked_body_is_kept_without_its_chunks():
    sent = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    sent += b"3;x=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"
    with Upstream(lambda _: Reply(body=b"ok")) as upstream:
        assert exchanged(upstream, sent).endswith(b"\r\nContent-Length: 2\r\n\r\nok")
    assert upstream.requests[0].body == b"abc0123456789"


def test_a_connection_is_kept_and_head_has_no_body():
    get, head = b"GET /v1/models HTTP/1.1\r\n\r\n", b"HEAD /v1/models HTTP/1.1\r\n\r\n"
    with Upstream() as upstream:
        got = exchanged(upstream, get + head + get)
        alone = exchanged(upstream, head)
    first = got[: got.rindex(b"HTTP/1.1")]
    assert got == first.removesuffix(alone) + alone + first.removesuffix(alone)
    assert alone.endswith(b"\r\n\r\n")
    assert json.loads(first.removesuffix(alone).split(b"\r\n\r\n")[1])["data"][0]["id"] == "m"
    assert upstream.aborted == 0


@pytest.mark.parametrize(
    ("framing", "cut", "received"),
    [
        ("length", False, b"HTTP/1.1 200 Scripted\r\nX: 1\r\nContent-Length: 4\r\n\r\nabcd"),
        ("chunked", False, b"HTTP/1.1 200 Scripted\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                           b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"),
        ("chunked", True, b"HTTP/1.1 200 Scripted\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                          b"2\r\nab\r\n2\r\ncd\r\n"),
        ("close", False, b"HTTP/1.1 200 Scripted\r\nX: 1\r\nConnection: close\r\n\r\nabcd"),
        ("raw", False, b"abcd"),
    ],
)  # fmt: skip
def test_a_reply_is_framed_as_scripted(framing, cut, received):
    reply = Reply(headers=[("X", "1")], body=[b"ab", 0.01, b"cd"], framing=framing, cut=cut)
    with Upstream(lambda _: reply) as upstream, connected(upstream) as line:
        line.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert b"".join(iter(lambda: line.recv(65536), b"")) == received
    assert upstream.aborted == 0


def test_a_reset_is_an_error_for_the_other_side():
    reply = Reply(body=b"ab", framing="chunked", cut="reset")
    with Upstream(lambda _: reply) as upstream, connected(upstream) as line:
        line.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            b"".join(iter(lambda: line.recv(65536), b""))


@pytest.mark.parametrize("reply", [Reply(hang=True), Reply(body=[b"ab", 60.0, b"cd"], framing="chunked")])
def test_it_notices_at_once_who_hangs_up(reply):
    with Upstream(lambda _: reply) as upstream:
        with connected(upstream) as line:
            line.sendall(b"GET / HTTP/1.1\r\n\r\nGET /pipelined HTTP/1.1\r\n\r\n")
            time.sleep(0.05)
            assert not upstream.wait_aborted(1, 0)
        assert upstream.wait_aborted(1, 2)
    assert upstream.aborted == len(upstream.requests) == 1


def test_a_script_is_replaced_while_running():
    with Upstream(chat("one")) as upstream:
        assert asked(upstream).json()["choices"][0]["message"] == {"role": "assistant", "content": "one"}
        upstream.script = lambda _: refused(429, "busy", [("Retry-After", "1")])
        answer = asked(upstream)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert answer.json()["error"]["message"] == "busy"


def test_a_streamed_answer_has_all_that_a_client_needs():
    with Upstream(chat("Let me look.", [("read", {"path": "a.txt"})])) as upstream:
        streamed = events(asked(upstream, stream=True, stream_options={"include_usage": True}))
        whole = asked(upstream).json()["choices"][0]
    *said_, usage = streamed
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 10
    deltas = [chunk["choices"][0]["delta"] for chunk in said_]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert (
        "".join(delta.get("content", "") for delta in deltas) == whole["message"]["content"] == "Let me look."
    )
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert {call["index"] for call in calls} == {0}
    assert calls[0]["id"] == whole["message"]["tool_calls"][0]["id"] == "call_1_0"
    assert json.loads("".join(call["function"]["arguments"] for call in calls)) == {"path": "a.txt"}
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in said_]
    assert reasons == [None] * (len(said_) - 1) + ["tool_calls"]
    assert whole["finish_reason"] == "tool_calls"


def test_steps_are_for_requests_with_tools_and_one_too_many_fails_the_test():
    too_many = pytest.raises(AssertionError, match="one request more than steps")
    with too_many, Upstream(said([("read", {})], "Done.")) as upstream:
        first, title, second, third = (asked(upstream, tools=tools) for tools in (TOOLS, None, TOOLS, TOOLS))
    assert first.json()["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "read"
    contents = [one.json()["choices"][0]["message"]["content"] for one in (title, second)]
    assert contents == ["A title", "Done."]
    assert third.status_code == 400
    assert len(upstream.chats) == 3
