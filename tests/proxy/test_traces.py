"""What the proxy wrote down, from the command line: explained, counted, forgotten."""

import json
import re
import subprocess
import sys
from contextlib import suppress

import pytest

import settings
import traces
from benchmarks import sessions
from errors import BadInput
from proxy.serve import ASKED
from tests.proxy.talk import assistant, post, status, user
from tests.proxy.upstream import Reply, Upstream, chat
from tests.proxy.vibe.served import ROOT, environment, ran, served

CACHE = 'vllm:prefix_cache_{}_total{{engine="{}",model_name="m"}} {}\n'
COUNTED = [("queries", 0, 700.0), ("hits", 0, 650.0), ("queries", 1, 300.0), ("hits", 1, 100.0)]
KEY = "sk-test-51FAKEFAKE0000notARealKey9z8y7x6w5v4u"
BIRDS, REEDS, SHOP = "/home/dev/birds", "/home/dev/reeds", "/home/dev/shop"
AVOCET = "Where does the avocet keep its eggs?"
BITTERN = "Where does the bittern sleep?"
TURNS = {
    BIRDS: (AVOCET, "The avocet lays four eggs on bare mud."),
    REEDS: (BITTERN, "The bittern sleeps among the reeds."),
    SHOP: ("How do we rotate the signing key of the shop?", "Run `rotate-plover` on lantern-4."),
}


@pytest.fixture(scope="module")
def upstream():
    cache = "".join(CACHE.format(*row) for row in COUNTED).encode()
    with Upstream(
        lambda received: Reply(body=cache) if received.target == "/metrics" else chat("Hola")
    ) as other:
        yield other


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("traces") / "data"


@pytest.fixture(scope="module")
def surroundings(data, model_cache, embedder):
    """A memory of three projects, with a session of one turn in each."""
    chosen = environment(data, model_cache)
    for number, (project, turn) in enumerate(TURNS.items(), start=1):
        sessions.write(data / "logs", number, [(str(number), *turn)], project)
    assert json.loads(ran(chosen, "ingest", "--json"))["new"] == 3
    return chosen


@pytest.fixture(scope="module")
def proxy(upstream, surroundings):
    with served(upstream.url, surroundings) as running:
        yield running


def run(surroundings, *arguments):
    done = subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=ROOT,
        env=surroundings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done


def written(data, answer):
    """The id of an answer, once what it was given is written down."""
    request = answer.headers["x-rag-request-id"]
    for _ in range(20):
        with suppress(BadInput):  # it waits for a second
            return traces.explained(settings.load(data_dir=data), request)["id"]
    raise AssertionError(request)


def test_explain_tells_what_a_request_was_given_and_why(data, surroundings, proxy):
    question = user(f"How do we rotate the signing key? Mine is {KEY}")
    answer = post(proxy, question, session="explained", headers={"x-rag-project": SHOP})
    request = written(data, answer)
    told = json.loads(ran(surroundings, "explain", request, "--json"))
    assert "How do we rotate the signing key?" in told["query"]
    assert "[redacted:" in told["query"]
    assert KEY not in json.dumps(told)
    assert (told["rag"], told["memories"], told["code"]) == ("injected", 1, 200)
    assert told["injected_tokens"] == int(answer.headers["x-rag-injected-tokens"]) > 0
    assert 0 < told["recall_ms"] <= told["overhead_ms"]
    assert (told["project"], told["session"]) == (SHOP, "explained")
    [candidate] = told["candidates"]
    assert told["kept"] == [candidate["id"]]
    assert (candidate["kept"], candidate["project"]) == (True, SHOP)
    assert candidate["score"] >= 0.3
    assert 0 <= candidate["relevance"] <= 1
    shown = run(surroundings, "explain", request).stdout
    assert all(part in shown for part in ("injected", "[redacted:", candidate["id"], "recall_ms"))


def test_explain_tells_why_nothing_was_given(data, proxy):
    answer = post(proxy, user("Who won the football world cup in 1998?"))
    told = traces.explained(settings.load(data_dir=data), written(data, answer))
    assert (told["rag"], told["memories"], told["kept"]) == ("none", 0, [])
    assert len(told["candidates"]) == 3
    assert all(one["kept"] is False and one["score"] < 0.3 for one in told["candidates"])


@pytest.mark.parametrize("request_id", ["0123456789abcdef", "' or 1=1 --"])
def test_an_unknown_request_is_bad_input(surroundings, proxy, request_id):
    done = run(surroundings, "explain", request_id, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r".*x-rag-request-id.*\n", done.stderr)


def test_before_any_proxy_ran_there_is_nothing_to_tell(tmp_path, model_cache):
    chosen = environment(tmp_path / "data", model_cache)
    assert run(chosen, "explain", "0123456789abcdef").returncode == 2
    told = json.loads(ran(chosen, "stats", "--json"))["proxy"]
    assert told == {"requests": 0, "by_status": {}, "with_memory": None, "prefix_cache_hit_rate": None}
    assert not (tmp_path / "data" / "proxy").exists()


def test_a_damaged_file_is_told_in_a_sentence(tmp_path, model_cache):
    chosen = environment(tmp_path / "data", model_cache)
    (tmp_path / "data" / "proxy").mkdir()
    (tmp_path / "data" / "proxy" / ASKED).write_bytes(b"not a database")
    for arguments in (("explain", "0123456789abcdef"), ("stats", "--json")):
        done = run(chosen, *arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert re.fullmatch(r".*asked\.db cannot be used: .*\n", done.stderr)


def test_stats_count_requests_the_share_with_memory_and_the_prefix_cache(upstream, data, surroundings, proxy):
    for answer in [post(proxy, user(BITTERN), session=name) for name in ("a", "a", "b")]:
        written(data, answer)
    told = json.loads(ran({**surroundings, "RAG_UPSTREAM_URL": upstream.url}, "stats", "--json"))["proxy"]
    given = told["by_status"]
    assert set(given) <= {"injected", "none", "replayed", "skipped", "off", "degraded"}
    assert told["requests"] == sum(given.values()) >= 3
    assert told["with_memory"] == round((given["injected"] + given["replayed"]) / told["requests"], 3) > 0
    assert told["prefix_cache_hit_rate"] == 0.75  # of both engines
    nowhere = settings.load(data_dir=data, rag_upstream_url="http://127.0.0.1:9")
    assert traces.counts(nowhere)["prefix_cache_hit_rate"] is None


def anywhere(folder, *texts):
    """The files below a folder that hold one of some texts."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [(path.name, text) for path in files for text in texts if text.encode() in path.read_bytes()]


def test_forgetting_a_session_leaves_nothing_of_it_with_the_proxy(upstream, data, surroundings, proxy):
    gone = "00000001-0000-4000-8000-000000000000"
    birds, reeds = ({"headers": {"x-rag-project": project}} for project in (BIRDS, REEDS))
    # The turn itself, as it was asked; one that is given it; one that leans on it.
    post(proxy, user(AVOCET), session=gone, **birds)
    assert status(post(proxy, user(AVOCET), session="later", **birds)) == ("injected", 1)
    post(proxy, user(AVOCET), assistant("On mud."), user("And it?"), session="leaning", **birds)
    kept = post(proxy, user(BITTERN), session="other", **reeds)
    assert status(kept) == ("injected", 1)
    request = written(data, kept)
    assert anywhere(data / "proxy", "avocet", "bare mud")
    assert json.loads(ran(surroundings, "forget", "--session", gone, "--yes", "--json")) == {"forgotten": 1}
    assert anywhere(data / "proxy", "avocet", "bare mud") == []
    assert anywhere(data / "proxy", "among the reeds")
    assert run(surroundings, "explain", request).returncode == 2
    # A conversation that was given it goes on without; what was not forgotten stays where it is.
    post(proxy, user(AVOCET), assistant("On mud."), user("And then?"), session="later", **birds)
    assert b"bare mud" not in upstream.requests[-1].body
    assert status(post(proxy, user(BITTERN), session="other", **reeds)) == ("replayed", 1)
    assert traces.counts(settings.load(data_dir=data))["requests"] >= 5
