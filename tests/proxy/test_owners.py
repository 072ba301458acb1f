"""Two owners with memories alike, who never meet.

`OWNER_QUERIES=10000 pytest tests/proxy/test_owners.py` is the slow proof.
"""

import json
import os
import random
import re

import pytest

import settings
from benchmarks import sessions
from memories import Memories
from parts import Parts
from proxied import Proxied
from proxy.recalled import Asked
from tests.proxy.talk import post, user
from tests.proxy.upstream import Upstream
from tests.proxy.vibe.served import ran, served
from tests.stores import wire

QUERIES = int(os.environ.get("OWNER_QUERIES", "400"))
KEYS = {"ana": "sesame-of-ana-1", "bo": "sesame-of-bo-22"}
CONFIGURED = ",".join(f"{owner}:{key}" for owner, key in KEYS.items())
UPSTREAM_KEY = "key-of-the-model-server"
MACHINES = 60


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as other:
        yield other


def colour(owner, machine):
    return f"{owner.upper()}{7 * machine + len(owner):05}"


def logs(root, owner):
    """Sessions about the same machines as everybody else's, in the same words, with other codes."""
    for number in range(MACHINES // 4):
        turns = [
            (
                f"{owner}{machine}",
                f"Which colour code has machine {machine}?",
                f"Machine {machine} is painted in colour code {colour(owner, machine)}.",
            )
            for machine in range(4 * number, 4 * number + 4)
        ]
        sessions.write(root, number, turns, "/home/dev/shop")
    return root


def taken_in(root, embedder, **more):
    """The settings of a data folder in which each owner took in the own logs."""
    for owner in KEYS:
        chosen = settings.load(data_dir=root / "data", memory_owner=owner, threads=1, **more)
        with Memories(chosen, lambda: embedder, owner) as memories:
            assert memories.ingest(logs(root / owner, owner), quiet=True)["new"] == MACHINES
    return settings.load(data_dir=root / "data", threads=1, **more)


@pytest.fixture(scope="module")
def home(tmp_path_factory, model_cache, embedder):
    root = tmp_path_factory.mktemp("owners")
    (root / "data").mkdir()
    (root / "data" / "models").symlink_to(model_cache)
    return taken_in(root, embedder)


QUESTIONS = [
    "Which colour code has machine {machine}?",
    "Machine {machine} is painted in colour code {code}.",
    "colour code {code}",
    "what does {other} know about machine {machine}?",
    "{code}",
    "owner {other}: memories of {other}, machine {machine}",
    "conversations-{other} machine {machine} colour",
]


def ask(chosen, owner, other, queries):
    """The ids that so many questions of one owner come near, none of which the other may have said."""
    chance = random.Random(f"questions of {owner}")
    foreign, own = (re.compile(rf"{name.upper()}\d{{5}}") for name in (other, owner))
    ids, delivered = set(), 0
    with Parts(chosen) as parts:
        proxied = Proxied(parts, list(KEYS))
        for _ in range(queries):
            machine = chance.randrange(MACHINES)
            said = {"machine": machine, "code": colour(other, machine), "other": other}
            question = chance.choice(QUESTIONS).format(**said)
            project = chance.choice([None, "/home/dev/shop", "shop"])
            session = chance.choice([None, "00000001-0000-4000-8000-000000000000"])
            told = proxied.recall(Asked(question, owner, project, session))
            block = told.render(len(told.kept))
            assert not foreign.search(block), (owner, question)
            assert not foreign.search(json.dumps(told.candidates))
            delivered += len(own.findall(block))
            ids |= {candidate["id"] for candidate in told.candidates}
    assert delivered > queries
    return ids


@pytest.mark.timeout(7200)
def test_no_query_of_one_owner_finds_anything_of_the_other(home):
    ana, bo = ask(home, "ana", "bo", QUERIES), ask(home, "bo", "ana", QUERIES // 5)
    assert ana.isdisjoint(bo)
    assert len(ana) == len(bo) == MACHINES


@pytest.mark.timeout(7200)
def test_on_a_qdrant_server_neither(tmp_path, model_cache, embedder):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "models").symlink_to(model_cache)
    with wire.server() as qdrant:
        chosen = taken_in(tmp_path, embedder, qdrant_url=qdrant.url)
        ana, bo = (
            ask(chosen, owner, other, QUERIES // 10) for owner, other in (("ana", "bo"), ("bo", "ana"))
        )
    assert ana.isdisjoint(bo)
    assert {request.path.split("/")[2] for request in qdrant.requests} == {
        f"conversations-{owner}" for owner in KEYS
    }


def test_whoever_took_nothing_in_gets_nothing(home):
    with Parts(home) as parts:
        proxied = Proxied(parts, ["ana", "carla"])
        for owner in ("", "carla"):
            assert proxied.recall(Asked("Which colour code has machine 7?", owner)).kept == ()
        proxied.warm()
        # That the memory of one is empty is not taken for a fault of the other's.
        assert [problem["part"] for problem in proxied.degraded()] == ["memory", "memory carla"]


@pytest.fixture(scope="module")
def running(upstream, home):
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    own = {"DATA_DIR": str(home.data_dir), "THREADS": "1", "OMP_NUM_THREADS": "1", "RAG_DEADLINE_MS": "20000"}
    keys = {"RAG_PROXY_API_KEY": CONFIGURED, "OPENAI_API_KEY": UPSTREAM_KEY}
    with served(upstream.url, kept | own | keys) as proxy:
        yield proxy, kept | own


def test_on_the_wire_each_owner_gets_the_own_memory_also_in_the_same_conversation(upstream, running):
    proxy, surroundings = running
    question = user("Which colour code has machine 7?")
    told = {}
    for owner in ("ana", "bo", "ana", "bo"):
        answer = post(proxy, question, key=KEYS[owner], session="one session of both")
        assert answer.status_code == 200
        prompt = upstream.requests[-1].json["messages"][0]["content"]
        others = "".join(colour(other, 7) for other in KEYS if other != owner)
        assert colour(owner, 7) in prompt
        assert others not in prompt
        assert upstream.requests[-1].header("authorization") == f"Bearer {UPSTREAM_KEY}"
        told.setdefault(owner, []).append(
            (answer.headers["x-rag-status"], prompt, answer.headers["x-rag-request-id"])
        )
    for owner, ((first, begun, request), (second, again, _)) in told.items():
        assert (first, second) == ("injected", "replayed")
        assert begun == again
        row = json.loads(ran(surroundings, "explain", request, "--json"))
        assert row["owner"] == owner
        assert row["kept"]
    ana, bo = (
        json.loads(ran(surroundings, "explain", told[owner][0][2], "--json"))["candidates"] for owner in KEYS
    )
    assert {one["id"] for one in ana}.isdisjoint({one["id"] for one in bo})
    assert all(key not in "".join(proxy.told) for key in KEYS.values())


def test_recall_is_the_memory_of_the_owner_that_the_settings_name(running):
    _, surroundings = running
    for owner in KEYS:
        hits = json.loads(
            ran(surroundings | {"MEMORY_OWNER": owner}, "recall", "colour code of machine 7", "--json")
        )["hits"]
        assert colour(owner, 7) in "".join(hit["text"] for hit in hits)
        assert not any(colour(other, 7) in hit["text"] for hit in hits for other in KEYS if other != owner)
