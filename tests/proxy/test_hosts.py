"""Under which names the proxy may be called, and from which web pages: none can lend it a name of its own."""

import json

import pytest

from tests.proxy.caller import Caller
from tests.proxy.inside import inside, nothing
from tests.proxy.upstream import Upstream


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as other:
        yield other


@pytest.fixture(scope="module")
def caller(upstream, tmp_path_factory):
    home = tmp_path_factory.mktemp("hosts")
    with inside(upstream.url, home, nothing, hosts=("chat.example",)) as proxy, Caller(proxy.port) as one:
        yield one


def get(caller, host, *headers, method="GET", target="/v1/models"):
    """An answer to a request under some name; `Host` stands where the line's own would."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
    caller.send(("\r\n".join(lines) + "\r\n\r\n").encode())
    return caller.answer(method)


HERE = [
    "localhost",
    "LOCALHOST:80",
    "127.0.0.1:11435",
    "127.1.2.3",
    "[::1]:80",
    "app.localhost",
    "chat.example:1",
]
ELSEWHERE = [
    "evil.example",
    "evil.example:11435",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example#localhost",
    "localhost@evil.example",
    "chat.example.evil.example",
    "xchat.example",
    "192.168.1.7",
    "169.254.169.254",
    "0.0.0.0",  # noqa: S104  # refused
    "[::]",
    "[",
    "[::1",
    "2130706433",
]


@pytest.mark.parametrize("host", HERE)
def test_names_of_this_machine_and_of_the_settings_are_answered(caller, host):
    assert get(caller, host).status == 200


@pytest.mark.parametrize("path", ["/v1/models", "/health", "/ready", "/metrics"])
@pytest.mark.parametrize("host", ELSEWHERE)
def test_other_names_are_refused_so_that_no_web_page_can_lend_us_one(upstream, caller, host, path):
    upstream.requests.clear()
    answer = get(caller, host, target=path)
    assert answer.status in {400, 403}
    assert upstream.requests == []


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1", "https://chat.example"])
def test_web_pages_of_this_machine_and_of_the_settings_may_call(caller, origin):
    assert get(caller, "localhost", ("Origin", origin)).status == 200


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://[", "file://", "localhost"])
def test_other_web_pages_may_not_call_and_no_answer_invites_them(upstream, caller, origin, method):
    upstream.requests.clear()
    headers = [("Origin", origin), ("Access-Control-Request-Method", "POST"), ("Content-Length", "0")]
    answer = get(caller, "localhost", *headers, method=method)
    assert answer.status == 403
    assert json.loads(answer.body)["error"]["code"] == "origin_not_allowed"
    assert upstream.requests == []


def test_the_proxy_never_adds_a_header_that_lets_other_origins_read(upstream, tmp_path):
    told = []
    with inside(upstream.url, tmp_path, nothing, keys="k") as proxy, Caller(proxy.port) as caller:
        origin = ("Origin", "http://localhost:3000")
        for target in ("/health", "/ready", "/metrics", "/v1/models", "/nowhere", "/sleep", "/v1/%2e%2e/x"):
            for method in ("GET", "OPTIONS", "POST"):
                for key in ([], [("Authorization", "Bearer k")]):
                    headers = [origin, *key, ("Content-Length", "0")]
                    told += get(caller, "localhost", *headers, method=method, target=target).headers
        told += get(caller, "evil.example", origin).headers
        told += get(caller, "localhost", ("Origin", "https://evil.example")).headers
    assert len(told) > 100
    assert not [name for name, _ in told if name.lower().startswith(b"access-control")]
