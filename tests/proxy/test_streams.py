"""Answers that come piece by piece: each piece passes as it comes, and one that breaks off is seen to."""

import gzip
import json
import time

import openai
import pytest

from tests.proxy.caller import Caller, Closed, request
from tests.proxy.inside import found, inside
from tests.proxy.upstream import Reply, Upstream, chat

CHAT = "/v1/chat/completions"
QUESTION = b'{"stream":true,"messages":[{"role":"user","content":"Which port?"}]}'
SSE = [("Content-Type", "text/event-stream; charset=utf-8")]
EVENTS = [b'data: {"choices":[{"index":0,"delta":{"content":"%d"}}]}\n\n' % number for number in range(5)]
LONGEST_WAIT_SECONDS = 10


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as other:
        yield other


@pytest.fixture(scope="module", params=["without memory", "with memory"])
def proxy(upstream, tmp_path_factory, request):
    more = (
        {"recall": lambda _: found("6543"), "deadline_seconds": 20} if request.param == "with memory" else {}
    )
    with inside(upstream.url, tmp_path_factory.mktemp("proxy"), **more) as running:
        yield running


@pytest.fixture
def caller(proxy):
    with Caller(proxy.port) as one:
        yield one


class Stepwise:
    """A reply whose next piece is sent only when the one before has arrived."""

    def __init__(self, pieces):
        self.arrived, self.sent, self._pieces = 0, [], pieces

    def __iter__(self):
        for number, piece in enumerate(self._pieces):
            until = time.monotonic() + LONGEST_WAIT_SECONDS
            while self.arrived <= number and time.monotonic() < until:
                yield 0.001
            assert self.arrived > number, f"piece {number} was waited for in vain"
            self.sent.append(time.monotonic())
            yield piece


def test_headers_and_pieces_arrive_before_the_next_piece_is_sent(upstream, caller):
    pieces = [
        b": waiting\n\n",
        *EVENTS,
        b'data: {"choi',
        b'ces":[]}\n\n',
        "data: ñ".encode()[:-1],
        b"\xb1\n\n",
    ]
    stepwise = Stepwise(pieces)
    upstream.script = lambda _: Reply(headers=SSE, body=stepwise, framing="chunked")
    caller.send(request("POST", CHAT, body=QUESTION))
    headers = caller.head().headers
    assert (b"Cache-Control", b"no-cache") in headers
    assert (b"X-Accel-Buffering", b"no") in headers
    delays = []
    for number, piece in enumerate(pieces):
        stepwise.arrived += 1
        assert caller.chunk() == piece
        delays.append(time.monotonic() - stepwise.sent[number])
    assert caller.chunk() == b""
    print(f"{len(pieces)} pieces, {1000 * max(delays):.1f} ms at most between sending and arriving")


def test_an_answer_that_is_no_stream_is_not_held_back_either(upstream, caller):
    stepwise = Stepwise([b"[1,", b"2]"])
    upstream.script = lambda _: Reply(headers=[("Content-Type", "a/b")], body=stepwise, framing="chunked")
    caller.send(request("GET", "/v1/models"))
    assert b"X-Accel-Buffering" not in [name for name, _ in caller.head().headers]
    for piece in (b"[1,", b"2]", b""):
        stepwise.arrived += 1
        assert caller.chunk() == piece


def test_what_a_server_says_about_caching_stays(upstream, caller):
    said = [*SSE, ("cache-control", "no-store"), ("x-accel-buffering", "yes")]
    upstream.script = lambda _: Reply(headers=said, body=EVENTS, framing="chunked")
    answer = caller.ask("POST", CHAT, body=QUESTION)
    assert (answer.all("cache-control"), answer.all("x-accel-buffering")) == (["no-store"], ["yes"])


def broken(caller):
    """What there was of an answer that did not come to its end."""
    with pytest.raises(Closed) as caught:
        caller.ask("POST", CHAT, body=QUESTION)
    assert caught.value.answer is not None
    return caught.value.answer.body


def reported(rest):
    event = json.loads(rest.removeprefix(b"data: ").removesuffix(b"\n\n"))["error"]
    return event["code"] == "upstream_closed" and event.keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("cut", [True, "reset"])
@pytest.mark.parametrize("end", [b"", b'data: {"choi', b"data: 1\n", b"data: 1\r\n\r\n", b": c\r\r", b"\xc3"])
def test_a_stream_that_breaks_off_ends_in_an_error_and_without_its_end(upstream, caller, cut, end):
    begun = [*EVENTS[:2], end, 0.05]
    upstream.script = lambda _: Reply(headers=SSE, body=begun, framing="chunked", cut=cut)
    body = broken(caller)
    rest = body.removeprefix(b"".join(EVENTS[:2]) + end)
    assert body != rest
    assert reported(rest.removeprefix(b"\n\n"))
    whole = end == b"" or end[-2:] in {b"\n\n", b"\r\r"} or end.endswith(b"\r\n\r\n")
    assert rest.startswith(b"data: " if whole else b"\n\ndata: ")


def test_a_stream_that_breaks_off_before_its_first_event_says_so(upstream, caller):
    upstream.script = lambda _: Reply(headers=SSE, body=[0.05], framing="chunked", cut=True)
    assert reported(broken(caller))


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_is_no_stream_breaks_off_as_it_broke_off(upstream, caller, status):
    headers = [("Content-Type", "application/json")]
    for framing, more in (("chunked", []), ("length", [("Content-Length", "100")])):
        said = [*headers, *more]
        upstream.script = lambda _, said=said, framing=framing: Reply(
            status, said, [b'{"a":', 0.05], framing, cut=True
        )
        assert broken(caller) == b'{"a":'


def test_an_error_is_never_taken_for_the_rest_of_a_stream_of_known_length(upstream, caller):
    length = ("Content-Length", str(len(EVENTS[0]) + 40))
    upstream.script = lambda _: Reply(headers=[*SSE, length], body=[EVENTS[0], 0.05], cut=True)
    assert broken(caller) == EVENTS[0]


def test_an_error_is_never_put_into_a_compressed_stream(upstream, caller):
    begun = gzip.compress(b"".join(EVENTS))[:20]
    headers = [*SSE, ("Content-Encoding", "gzip")]
    upstream.script = lambda _: Reply(headers=headers, body=[begun, 0.05], framing="chunked", cut=True)
    assert broken(caller) == begun


@pytest.mark.parametrize("end", [b"", b'data: {"choi', b"data: \xc3"])
def test_the_sdk_raises_where_a_stream_breaks_off(upstream, proxy, end):
    def script(received):
        events = [*list(chat("One two three.")(received).body)[:3], end, 0.05]
        return Reply(headers=SSE, body=events, framing="chunked", cut=True)

    upstream.script = script
    own = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="k", max_retries=0, http_client=own) as client:
        stream = client.chat.completions.create(**json.loads(QUESTION), model="m")
        # Half an event is no JSON, and half a letter no UTF-8: the SDK fails on them by itself.
        with stream, pytest.raises((openai.APIError, ValueError)):
            list(stream)
