"""What steers the model server cannot be reached through the proxy, however it is written."""

import pytest

from tests.proxy.caller import Caller
from tests.proxy.inside import inside
from tests.proxy.upstream import Reply, Upstream

ADMIN = [
    "/pause", "/resume", "/is_paused", "/scale_elastic_ep", "/is_scaling_elastic_ep", "/update_weights",
    "/init_weight_transfer_engine", "/abort_requests", "/sleep", "/wake_up", "/is_sleeping",
    "/collective_rpc", "/reset_prefix_cache", "/reset_mm_cache", "/reset_encoder_cache", "/start_profile",
    "/stop_profile", "/load_lora_adapter", "/unload_lora_adapter", "/invocations", "/server_info",
]  # fmt: skip
METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]


@pytest.fixture(scope="module")
def upstream():
    with Upstream(lambda _: Reply(body=b"steered")) as other:
        yield other


@pytest.fixture(scope="module")
def caller(upstream, tmp_path_factory):
    with inside(upstream.url, tmp_path_factory.mktemp("proxy")) as proxy, Caller(proxy.port) as one:
        yield one


@pytest.fixture(autouse=True)
def nothing_arrived(upstream):
    upstream.requests.clear()


def encoded(text, times=1):
    for _ in range(times):
        text = "".join(f"%{ord(sign):02x}" for sign in text)
    return text


def spellings(path):
    """An admin path as somebody might write it who wants it let through."""
    name = path.removeprefix("/")
    first, last = ord(name[0]), ord(name[-1])
    words = [
        name, name.upper(), name.capitalize(), f"{name}/", f"{name}//", f"{name}/x", f"{name}?x=1",
        f"{name}?", f"{name}#", f"{name}#/../v1/models", f"{name}?#", f"{name}%23", f"{name}%2F",
        f"{name}%3f", f"{name};x", f"{name}/.", f"{name}/x/..", f"{name}%00", f"{name}/%0a", f"{name}/%250a",
        f"%25{first:x}{name[1:]}", f"%{first:x}{name[1:]}", f"%2525{first:x}{name[1:]}",
        f"{name[:-1]}%25{last:X}", encoded(name), encoded(name).upper(), encoded(name, 2), encoded(name, 3),
    ]  # fmt: skip
    places = ["/", "//", "///", "/v1/", "/v1//", "//v1/", "/V1/", "/v2/", "/%761/", "/v1%2F", "/v1/./", "/./"]
    places += [
        "/v1/../",
        "/v1/models/../../",
        "/%2e%2e/",
        "/v1/%2e/",
        "/v1/%252e%252e/",
        "/v1\\..\\",
        "/x/..%2f",
    ]
    return [place + word for place in places for word in words]


@pytest.mark.parametrize("path", ADMIN)
def test_no_spelling_of_an_admin_path_reaches_the_server(upstream, caller, path):
    for target in spellings(path):
        answer = caller.ask("POST", target, body=b"{}")
        assert answer.status in {400, 403, 404}, target
        assert b'"error"' in answer.body, target
    assert not upstream.requests


@pytest.mark.parametrize("method", METHODS)
def test_no_method_reaches_an_admin_path(upstream, caller, method):
    for path in ADMIN:
        for place in ("", "/v1"):
            assert caller.ask(method, place + path).status == 403
    assert not upstream.requests


def test_what_is_no_path_from_the_root_is_refused(upstream, caller):
    absolute = ["http://127.0.0.1/v1/models", "http://example.com/v1/models"]
    for target in [
        *absolute,
        "*",
        "v1/models",
        "/v1/models#",
        "/v1/models?a=1#b",
        "/v1/x/../models",
        "/v1/%2e",
    ]:
        assert caller.ask("GET", target).status == 400, target
    assert not upstream.requests


@pytest.mark.parametrize(
    "path", ["/admin", "/v1x/models", "/debug/pprof", "/.env", "/V1/models", "/get_world_size"]
)
def test_what_nobody_serves_is_not_found(upstream, caller, path):
    answer = caller.ask("GET", path)
    assert (answer.status, answer.header("content-type")) == (404, "application/json")
    assert not upstream.requests


def test_names_that_only_resemble_an_admin_path_are_served(upstream, caller):
    for path in (
        "/v1/models/sleep",
        "/v1/files/pause",
        "/v1/responses/resume",
        "/v1/sleepers",
        "/v1/models?a=/pause",
    ):
        assert caller.ask("GET", path).body == b"steered"
        assert upstream.requests[-1].target == path
