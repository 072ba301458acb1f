"""Headers: what belongs to one connection stays there, all else passes, and errors are told as they are."""

import json

import pytest

from tests.proxy.caller import Caller
from tests.proxy.inside import found, inside
from tests.proxy.upstream import Reply, Upstream

CHAT = "/v1/chat/completions"
QUESTION = b'{"messages":[{"role":"user","content":"Which port?"}]}'
PASSING = [
    ("Authorization", "Bearer sk-1"), ("OpenAI-Organization", "org"), ("OpenAI-Project", "p"),
    ("OpenAI-Beta", "x=1"), ("x-request-id", "r-1"), ("tracestate", "a=b"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("X-Stainless-Retry-Count", "1"), ("x-stainless-arch", "x64"), ("User-Agent", "Test/1"),
    ("Accept", "*/*"), ("Accept-Encoding", "gzip, br"), ("Content-Type", "application/json; charset=utf-8"),
    ("Cookie", "a=1; b=2"), ("x-affinity", "s-1"), ("Idempotency-Key", "k"), ("X-Forwarded-For", "10.0.0.1"),
    ("X-Empty", ""), ("X-Long", "v" * 20_000), ("x-ragged", "not ours"), ("anthropic-version", "2023-06-01"),
]  # fmt: skip
HOP = [
    ("Connection", "keep-alive, X-Private,x-PRIVATE-too"), ("X-Private", "1"), ("X-Private-Too", "2"),
    ("Keep-Alive", "timeout=5"), ("Proxy-Authorization", "Basic eA=="), ("Proxy-Connection", "keep-alive"),
    ("TE", "trailers"), ("Trailer", "X-T"), ("Upgrade", "h2c"),
]  # fmt: skip
OURS = [("x-rag-mode", "off"), ("X-RAG-Project", "shop"), ("x-rag-anything", "1")]


@pytest.fixture(scope="module")
def upstream():
    with Upstream(lambda _: Reply(body=b"{}")) as other:
        yield other


@pytest.fixture(scope="module")
def proxy(upstream, tmp_path_factory):
    with inside(upstream.url, tmp_path_factory.mktemp("proxy")) as running:
        yield running


@pytest.fixture
def caller(upstream, proxy):
    upstream.script = lambda _: Reply(body=b"{}")
    upstream.requests.clear()
    with Caller(proxy.port) as one:
        yield one


def lower(pairs):
    return [(name.lower(), value) for name, value in pairs]


paths = pytest.mark.parametrize("path", [CHAT, "/v1/embeddings"])


@paths
def test_what_a_client_says_reaches_the_server(upstream, caller, path):
    caller.ask("POST", path, PASSING, QUESTION)
    (received,) = upstream.requests
    host = ("host", upstream.url.removeprefix("http://"))
    assert sorted(lower(received.headers)) == sorted(
        [*lower(PASSING), host, ("content-length", str(len(QUESTION)))]
    )


@paths
def test_what_belongs_to_the_clients_connection_goes_no_further(upstream, caller, path):
    caller.ask("POST", path, [*HOP, ("X-After", "1")], QUESTION)
    (received,) = upstream.requests
    assert {name for name, _ in lower(received.headers)} == {"host", "content-length", "x-after"}


@paths
def test_what_is_said_to_the_proxy_goes_no_further(upstream, caller, path):
    caller.ask("POST", path, OURS, QUESTION)
    (received,) = upstream.requests
    assert {name for name, _ in lower(received.headers)} == {"host", "content-length"}


def test_a_name_in_two_spellings_keeps_both_values(upstream, caller):
    pairs = [("X-Twice", "1"), ("x-twice", "2"), ("X-TWICE", "3")]
    caller.ask("POST", CHAT, pairs, QUESTION)
    assert [value for name, value in lower(upstream.requests[0].headers) if name == "x-twice"] == [
        "1",
        "2",
        "3",
    ]


def test_what_belongs_to_the_servers_connection_goes_no_further(upstream, caller):
    kept = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("x-request-id", "r"), ("X-After", "")]
    hop = [("Connection", "X-Private"), ("X-Private", "1"), ("Keep-Alive", "timeout=5"), ("Upgrade", "h2c")]
    hop += [("Proxy-Authenticate", "Basic"), ("Trailer", "X-T"), ("X-Rag-Status", "injected")]
    upstream.script = lambda _: Reply(headers=[*hop, *kept], body=b"{}")
    answer = caller.ask("GET", "/v1/models")
    names = [name.decode().lower() for name, _ in answer.headers]
    assert answer.all("set-cookie") == ["a=1", "b=2"]
    assert {"x-request-id", "x-after", "x-rag-request-id"} <= set(names)
    assert not {name for name, _ in lower(hop)} & set(names)


def test_the_key_of_the_proxy_is_replaced_by_that_of_the_server(upstream, tmp_path):
    upstream.script = lambda _: Reply(body=b"{}")
    given = {"keys": "ours", "upstream_key": "theirs"}
    with inside(upstream.url, tmp_path, **given) as proxy, Caller(proxy.port) as caller:
        upstream.requests.clear()
        assert caller.ask("POST", CHAT, [("Authorization", "Bearer ours")], QUESTION).status == 200
        assert caller.ask("POST", CHAT, [("Authorization", "Bearer theirs")], QUESTION).status == 401
    assert [received.header("authorization") for received in upstream.requests] == ["Bearer theirs"]


STATUSES = [
    400,
    401,
    402,
    403,
    404,
    408,
    409,
    413,
    415,
    422,
    425,
    429,
    498,
    500,
    501,
    502,
    503,
    504,
    520,
    529,
]
LIMITS = [
    ("Retry-After", "7"), ("retry-after-ms", "250"), ("x-should-retry", "false"), ("x-request-id", "r-2"),
    ("x-ratelimit-limit-requests", "60"), ("x-ratelimit-remaining-tokens", "149984"),
    ("x-ratelimit-reset-requests", "1s"), ("WWW-Authenticate", "Bearer"), ("openai-processing-ms", "12"),
]  # fmt: skip
ERRORS = {
    "nested": b'{"error": {"message": "why",  "type": "t", "param": null, "code": 7, "x": "\\u00e9"}}',
    "flat": b'{"object":"error","message":"why","type":"BadRequestError","param":null,"code":400}',
    "detail": b'{"detail":[{"loc":["body"],"msg":"why"}]}',
    "text": b"Internal Server Error",
    "page": b"<html><h1>502 Bad Gateway</h1></html>\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("asked", [("POST", CHAT), ("GET", "/v1/models"), ("POST", "/v1/embeddings")])
def test_an_error_of_the_server_arrives_as_it_is_and_is_asked_for_once(upstream, caller, status, asked):
    for body in ERRORS.values():
        upstream.script = lambda _, body=body: Reply(status, [("Content-Type", "a/b; c=d"), *LIMITS], body)
        upstream.requests.clear()
        answer = caller.ask(*asked, body=QUESTION)
        assert (answer.status, answer.body) == (status, body)
        assert [(name, answer.header(name.lower())) for name, _ in LIMITS] == LIMITS
        assert answer.all("content-type") == ["a/b; c=d"]
        assert len(upstream.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_an_error_after_an_injection_arrives_as_it_is_and_is_asked_for_once(upstream, tmp_path, status):
    upstream.script = lambda _: Reply(status, LIMITS, ERRORS["nested"])
    with inside(upstream.url, tmp_path, lambda _: found("6543")) as proxy, Caller(proxy.port) as caller:
        upstream.requests.clear()
        answer = caller.ask("POST", CHAT, body=QUESTION)
    assert (answer.status, answer.body, answer.header("x-rag-status")) == (
        status,
        ERRORS["nested"],
        "injected",
    )
    assert answer.header("retry-after") == "7"
    assert len(upstream.requests) == 1


SHAPE = {"message", "type", "param", "code"}
REFUSALS = [
    (400, "bad_path", "GET", "/v1/../models", {}),
    (403, "admin_path", "POST", "/sleep", {}),
    (403, "origin_not_allowed", "POST", CHAT, {"Origin": "https://example.com"}),
    (404, "not_found", "GET", "/nowhere", {}),
    (501, "no_websocket", "GET", "/v1/realtime", {"Upgrade": "websocket", "Connection": "Upgrade"}),
    (
        501,
        "no_websocket",
        "GET",
        "/v1/responses",
        {"Upgrade": "WebSocket", "Connection": "keep-alive, Upgrade"},
    ),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal[1])
def test_an_error_of_ours_has_the_shape_of_openai(upstream, caller, refusal):
    status, code, method, path, headers = refusal
    check_error(caller.ask(method, path, headers.items()), status, code)
    assert not upstream.requests


def test_a_server_that_is_not_there_is_an_error_of_ours(tmp_path):
    with Upstream() as gone:
        pass
    with inside(gone.url, tmp_path) as proxy, Caller(proxy.port) as caller:
        answer = caller.ask("POST", CHAT, body=QUESTION)
    check_error(answer, 502, "upstream_unreachable")
    assert 0 < int(answer.header("retry-after")) <= 120


def test_a_fault_of_the_proxy_is_an_error_of_ours_and_written_down(upstream, tmp_path, caplog):
    with inside(upstream.url, tmp_path) as proxy, Caller(proxy.port) as caller:
        proxy.problems = None  # no list: asking for what does not serve fails
        answer = caller.ask("GET", "/ready")
        assert caller.ask("GET", "/v1/models").status == 200
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], error.keys()) == (500, "internal_error", SHAPE)
    assert "TypeError" in caplog.text


def test_a_server_that_hangs_up_is_asked_once(upstream, caller):
    upstream.script = lambda _: Reply(body=b"", framing="raw")
    answer = caller.ask("POST", CHAT, body=QUESTION)
    check_error(answer, 502, "upstream_closed")
    assert len(upstream.requests) == 1


def check_error(answer, status, code):
    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"], answer.header("content-type")) == (status, code, "application/json")
    assert error.keys() == SHAPE
    assert error["message"]
    assert answer.header("x-rag-request-id")
