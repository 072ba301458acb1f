"""Who may ask: keys and their owners; the key is for the proxy alone."""

import asyncio
import json
import re

import aiohttp
import httpx
import pytest
from aiohttp import web

from errors import BadInput, Unsafe
from proxy.access import Access, owners
from proxy.budget import Budget
from proxy.enrich import Memory
from proxy.journal import Journal
from proxy.patience import Patience
from proxy.relay import Relay
from proxy.server import Proxy
from proxy.sticky import Sticky
from tests.proxy.caller import Caller
from tests.proxy.inside import inside, nothing
from tests.proxy.talk import post, user
from tests.proxy.upstream import Upstream

KEYS = {"ana": "sesame-of-ana-1", "bo": "sesame-of-bo-22"}
CONFIGURED = ",".join(f"{owner}:{key}" for owner, key in KEYS.items())
UPSTREAM_KEY = "key-of-the-model-server"


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as other:
        yield other


def test_a_key_alone_is_the_ordinary_memory_and_named_keys_are_their_owners():
    assert set(owners("k").values()) == {""}
    assert list(owners(" ana:k1 , bo:k2,ana:k3 ").values()) == ["ana", "bo", "ana"]
    assert owners(None) == owners("") == {}
    access = Access(owners("ana:k1,bo:k2"), frozenset(), open_to_all=True)
    told = [access.owner(given) for given in ("Bearer k1", "bearer k2", "BEARER  k1 ", "Bearer k3", "k1")]
    assert told == ["ana", "bo", "ana", None, None]
    assert [access.owner(given) for given in (None, "", "Bearer", "Bearer ", "Basic k1", "Bearer k1 k2")] == [
        None
    ] * 6


@pytest.mark.parametrize(
    "configured", ["ana:", ":k", "a na:k", "ana/..:k", "x" * 41 + ":k", ",", " , ", "ana:k,bo:k", "k,ana:k"]
)
def test_keys_that_cannot_be_meant_are_refused(configured):
    with pytest.raises(BadInput, match="RAG_PROXY_API_KEY"):
        owners(configured)


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/v1/models", "/v1/embeddings", "/tokenize", "/metrics"]
)
@pytest.mark.parametrize("given", [None, "Bearer wrong", "Bearer ", f"Basic {KEYS['ana']}", KEYS["ana"]])
def test_strangers_are_refused_and_reach_nothing(upstream, tmp_path, path, given):
    upstream.requests.clear()
    with inside(upstream.url, tmp_path, nothing, keys=CONFIGURED) as proxy, Caller(proxy.port) as caller:
        headers = [("Authorization", given)] if given is not None else []
        method = "GET" if path in {"/v1/models", "/metrics"} else "POST"
        answer = caller.ask(method, path, headers, b"{}" if method == "POST" else None)
        if path == "/metrics":  # this machine may look
            assert answer.status == 200
            return
        assert answer.status == 401
        assert answer.all("www-authenticate") == ["Bearer"]
        assert json.loads(answer.body)["error"]["code"] == "invalid_api_key"
        assert proxy.asked == []
    assert upstream.requests == []


@pytest.mark.parametrize(("own", "expected"), [(UPSTREAM_KEY, f"Bearer {UPSTREAM_KEY}"), (None, None)])
def test_the_key_never_goes_upstream(upstream, tmp_path, own, expected):
    upstream.requests.clear()
    with inside(upstream.url, tmp_path, nothing, keys=CONFIGURED, upstream_key=own) as proxy:
        for key in KEYS.values():
            assert post(proxy, user("Which port?"), key=key).status_code == 200
        models = f"{proxy.url}/v1/models"
        httpx.get(models, headers={"authorization": f"bearer {KEYS['bo']}"}, trust_env=False)
        httpx.get(f"{proxy.url}/ready", headers={"Authorization": f"Bearer {KEYS['bo']}"}, trust_env=False)
    assert len(upstream.requests) >= 4
    for received in upstream.requests:
        assert not any(key.encode() in received.head + received.body for key in KEYS.values())
    assert {received.header("authorization") for received in upstream.requests[:3]} == {expected}


def test_without_a_key_of_the_proxy_the_caller_s_goes_upstream(upstream, tmp_path):
    with inside(upstream.url, tmp_path, nothing, upstream_key=UPSTREAM_KEY) as proxy:
        assert post(proxy, user("Which port?"), key="the-caller-s").status_code == 200
    assert upstream.requests[-1].header("authorization") == "Bearer the-caller-s"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "proxy.example"])  # noqa: S104  # refused
def test_a_public_address_without_a_key_is_refused(app, host):
    done = app("proxy", "--host", host, "--port", "0")
    assert done.returncode == 78
    assert re.fullmatch(rf"On {re.escape(host)} anybody .*RAG_PROXY_API_KEY.*\n", done.stderr)
    assert done.stdout == ""


def test_a_public_address_is_refused_before_anything_is_opened(upstream, tmp_path):
    with pytest.raises(Unsafe), inside(upstream.url, tmp_path / "home", nothing, host="0.0.0.0"):  # noqa: S104
        pass
    assert not (tmp_path / "home").exists()


def test_what_is_counted_is_for_key_holders_and_this_machine(upstream, tmp_path):
    """A caller on a Unix socket has no address, so that it is not this machine for the proxy."""

    async def ask():
        journal, sticky = Journal(tmp_path / "a.db", None, str), Sticky(tmp_path / "s.db")
        relay = Relay(upstream.url, None)
        memory = Memory(nothing, Patience(1), sticky, Budget(80_000, 2000))
        proxy = Proxy(Access(owners("k"), frozenset(), open_to_all=True), relay, memory, journal, list)
        runner = web.ServerRunner(web.Server(proxy))
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "socket")).start()
        found = {}
        async with aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(tmp_path / "socket"))
        ) as session:
            for path in ("/health", "/livez", "/ready", "/metrics"):
                for key in (None, "wrong", "k"):
                    headers = {"Authorization": f"Bearer {key}"} if key else {}
                    async with session.get(f"http://any{path}", headers=headers) as answer:
                        found[path, key] = answer.status, await answer.text()
        await runner.cleanup()
        relay.upstream.close()
        journal.close()
        sticky.close()
        return found

    found = asyncio.run(ask())
    statuses = {at: status for at, (status, _) in found.items()}
    alive = {(path, key): 200 for path in ("/health", "/livez") for key in (None, "wrong", "k")}
    told = {
        (path, key): 200 if key == "k" else 401
        for path in ("/ready", "/metrics")
        for key in (None, "wrong", "k")
    }
    assert statuses == alive | told
    assert json.loads(found["/health", None][1]) == {"status": "alive"}
