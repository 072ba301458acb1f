"""Where nothing is added, requests and answers pass through the proxy byte for byte.

`PROXY_CASES=10000 pytest tests/proxy/test_transparent.py` is the slow proof.
"""

import gzip
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.proxy.caller import Caller
from tests.proxy.inside import inside
from tests.proxy.shapes import headers, sent, split, streams
from tests.proxy.upstream import Reply, Upstream

CASES = int(os.environ.get("PROXY_CASES", "200"))
many = settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
CHAT = "/v1/chat/completions"
PATHS = [
    CHAT, CHAT, CHAT, "/chat/completions", "/v1/chat%2Fcompletions", "//v1//chat/completions",
    "/v1/models", "/models", "/v1/models/org%2Fname%41%7e~", "/v1/completions", "/v1/embeddings",
    "/embeddings", "/v1/messages", "/v1/audio/transcriptions", "/v1/responses", "/v1/responses/resp_1",
    "/responses", "/score", "/rerank", "/v1/rerank", "/tokenize", "/version", "/api/chat", "/v1/files/%C3%B1",
    "/v1/x;y=1/", "/pooling",
]  # fmt: skip
MOVED = {"/chat/completions", "/models", "/embeddings", "/responses"}  # served below /v1
QUERIES = ["", "", "", "?", "?a=%41&b=%7e&a=~", "?q=%2F/../.&x=+%20", "?/v1/pause", "?a?b=%C3%B1%"]
METHODS = ["POST", "POST", "POST", "PUT", "PATCH", "DELETE", "GET"]
SENT_HEADERS = headers(
    "Authorization", "Content-Type", "User-Agent", "Accept", "Accept-Encoding", "Cookie",
    "OpenAI-Organization", "X-Request-Id", "Traceparent", "X-Stainless-Lang", "Idempotency-Key", "x-affinity",
    "Range", "Referer",
)  # fmt: skip
ANSWER_HEADERS = headers(
    "Set-Cookie", "Set-Cookie", "X-Request-Id", "X-RateLimit-Remaining-Tokens", "OpenAI-Processing-Ms",
    "Vary", "Server", "Date", "ETag", "Retry-After", "Access-Control-Allow-Origin", "Cache-Control",
    "WWW-Authenticate",
)  # fmt: skip
SINGLE = {"content-type", "user-agent"}  # to repeat these is refused
OURS = {"x-rag-mode": ["off", "", "on"], "x-rag-project": ["shop", "/home/dev"]}
STATUSES = [
    200,
    200,
    200,
    201,
    202,
    206,
    299,
    301,
    307,
    400,
    401,
    404,
    409,
    413,
    422,
    429,
    500,
    502,
    503,
    504,
    529,
]


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as other:
        yield other


@pytest.fixture(scope="module")
def proxy(upstream, tmp_path_factory):
    with inside(upstream.url, tmp_path_factory.mktemp("proxy")) as running:
        yield running


@pytest.fixture(scope="module")
def caller(proxy):
    with Caller(proxy.port) as one:
        yield one


def lower(pairs):
    return [(name.lower(), value.encode() if isinstance(value, str) else value) for name, value in pairs]


def received(upstream):
    """The one request that arrived: its target, its headers beside those of its framing, its body."""
    (one,) = upstream.requests
    upstream.requests.clear()
    framing = {"host", "content-length", "transfer-encoding"}
    pairs = [(name.lower(), value.encode("latin-1")) for name, value in one.headers]
    return one.method, one.target, [pair for pair in pairs if pair[0] not in framing], one.body


@st.composite
def requests(draw):
    path, query = draw(st.sampled_from(PATHS)), draw(st.sampled_from(QUERIES))
    ours = [
        (name, draw(st.sampled_from(values))) for name, values in OURS.items() if not draw(st.integers(0, 4))
    ]
    once = {name.lower(): (name, value) for name, value in draw(SENT_HEADERS) if name.lower() in SINGLE}
    pairs = [pair for pair in draw(SENT_HEADERS) if pair[0].lower() not in SINGLE]
    return draw(st.sampled_from(METHODS)), path, query, [*once.values(), *pairs], ours, draw(sent())


@pytest.mark.timeout(7200)
def test_requests_arrive_byte_for_byte(upstream, proxy, caller):
    upstream.script = lambda _: Reply(body=b"{}")

    @many
    @given(requests(), st.booleans())
    def check(request, chunked):
        method, path, query, pairs, ours, body = request
        encoding = [("Content-Encoding", body.encoding)] if body.encoding else []
        raw = path + query
        utf8 = [(name, value.encode()) for name, value in [*pairs, *encoding, *ours]]
        pieces = [body.body[:7], body.body[7:]] if chunked else None
        answer = caller.ask(method, raw, utf8, body.body, pieces=pieces)
        assert (answer.status, answer.body) == (200, b"{}")
        target = ("/v1" if path in MOVED else "") + raw
        assert received(upstream) == (method, target, lower([*pairs, *encoding]), body.body)

    check()
    assert caller.opened == 1


@st.composite
def answers(draw):
    whole = draw(streams() | sent().map(lambda one: one.body))
    pairs = draw(ANSWER_HEADERS)
    pairs.append(
        ("Content-Type", draw(st.sampled_from(["text/event-stream", "application/json", "text/x; a=b"])))
    )
    if not draw(st.integers(0, 4)):
        whole = gzip.compress(whole, 1)
        pairs.append(("Content-Encoding", "gzip"))
    framing = draw(st.sampled_from(["chunked", "chunked", "length", "close"]))
    status = draw(st.sampled_from(STATUSES))
    return Reply(status, [(name, value.encode().decode("latin-1")) for name, value in pairs],
                 draw(split(whole)), framing), whole  # fmt: skip


@pytest.mark.timeout(7200)
def test_answers_arrive_byte_for_byte(upstream, proxy, caller):
    question = b'{"stream":true,"messages":[{"role":"user","content":"Hello?"}]}'

    @many
    @given(answers(), st.sampled_from(["GET", "HEAD", "POST", "POST", "OPTIONS"]))
    def check(answer, method):
        reply, whole = answer
        upstream.script = lambda _: reply
        upstream.requests.clear()
        got = caller.ask(method, CHAT if method == "POST" else "/v1/models", body=question)
        assert (got.status, got.reason) == (reply.status, b"Scripted")
        assert got.body == (b"" if method == "HEAD" else whole)
        named = {name.lower() for name, _ in reply.headers}
        scripted = [(name.lower(), value.encode("latin-1")) for name, value in reply.headers]
        assert [pair for pair in lowered(got.headers) if pair[0] in named] == scripted

    check()


def lowered(pairs):
    return [(name.decode().lower(), value) for name, value in pairs]


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_an_answer_without_a_body_stays_without_one(upstream, caller, status, method):
    upstream.script = lambda _: Reply(status, [("ETag", '"7"'), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    answer = caller.ask(method, "/v1/models")
    assert (answer.status, answer.all("etag"), answer.all("set-cookie")) == (status, ['"7"'], ["a=1", "b=2"])
    assert not {b"content-length", b"transfer-encoding"} & {name.lower() for name, _ in answer.headers}
    upstream.script = lambda _: Reply(body=b"the next one")
    assert caller.ask("GET", "/v1/models").body == b"the next one"


def test_head_tells_the_length_that_get_has(upstream, caller):
    upstream.script = lambda _: Reply(headers=[("Content-Type", "a/b")], body=b"four")
    assert caller.ask("HEAD", "/v1/models").header("content-length") == "4"
    assert caller.ask("GET", "/v1/models").body == b"four"


def test_what_a_server_says_ahead_of_its_answer_does_not_confuse_it(upstream, caller):
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    whole = early + b"HTTP/1.1 200 Fine\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nab"
    upstream.script = lambda _: Reply(body=whole, framing="raw")
    answer = caller.ask("POST", CHAT, body=b"{}")
    assert (answer.status, answer.reason, answer.body) == (200, b"Fine", b"ab")
    assert answer.all("link") == []


def test_a_compressed_request_stays_compressed(upstream, caller):
    upstream.script = lambda _: Reply(body=b"{}")
    body = gzip.compress(b'{"messages":[{"role":"user","content":"Hello?"}]}')
    answer = caller.ask("POST", CHAT, [("Content-Encoding", "gzip")], body)
    assert answer.header("x-rag-status") == "skipped"
    assert upstream.requests[-1].body == body
