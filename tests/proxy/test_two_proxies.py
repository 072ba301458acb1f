"""Two proxies on two hosts before one Qdrant server, while logs are taken in on both and many clients ask.

`CLIENTS=200 ROUNDS=50 pytest -s tests/proxy/test_two_proxies.py` is the long run, with its numbers.
"""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from stores.conversations.server import Server
from tests.proxy.hosts_apart import KEYS, Client, Fact, Host, facts, hosts, told
from tests.proxy.talk import CALLED, RESULT, assistant, user

CLIENTS = int(os.environ.get("CLIENTS", "50"))
ROUNDS = int(os.environ.get("ROUNDS", "2"))
WAVES, SESSIONS, TURNS = 2, 4, 2
SECONDS = 240
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(tmp_path_factory, model_cache):
    with hosts(tmp_path_factory.mktemp("hosts"), model_cache) as both:
        yield both


def planted():
    """The numbers of all facts that each owner is told."""
    return range(WAVES * SESSIONS * TURNS)


def write(running, wave):
    """Sessions of every owner: on the first host, on the second, and, every other one, the same on both."""
    for owner in KEYS:
        for session in range(wave * SESSIONS, (wave + 1) * SESSIONS):
            numbers = range(session * TURNS, (session + 1) * TURNS)
            here = running.both if session % 2 else [running.both[session // 2 % 2]]
            for host in here:
                host.write(owner, session, numbers)


def learnt(client, fact):
    """Ask for a fact, each time in a new conversation, until it is told; how often nothing came in time."""
    end, degraded = time.monotonic() + SECONDS, 0
    while True:
        status, prompt = client.ask(user(fact.question))
        if status == "injected" and fact.code in prompt[-1]:
            return degraded
        degraded += status == "degraded"
        assert time.monotonic() < end, (fact, status, prompt)
        time.sleep(2)


def crowd(running):
    """What all clients met: each asks for facts of its owner as they come, and for those of others."""

    def one(number):
        met = Counter()
        with Client(number, running.both) as client:
            for _ in range(ROUNDS):
                client.pry()
                met["degraded"] += learnt(client, Fact(client.owner, client.chance.choice(planted())))
                met["told"] += 1
        return met

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(one, range(CLIENTS)), Counter())


@pytest.fixture
def rested(running):
    """Both proxies, recovered from the crowd, which may have been more than they could look up."""
    for number in range(len(KEYS)):
        with Client(number, running.both) as client:
            for _ in running.both:
                learnt(client, Fact(client.owner, 0))
    return running


@pytest.mark.timeout(3600)
def test_no_memory_is_lost_or_doubled_or_meets_another_owner(running, embedder):
    with ThreadPoolExecutor(1) as pool:
        write(running, 0)
        asking = pool.submit(crowd, running)
        for wave in range(1, WAVES + 1):
            running.ingest(embedder)
            if wave < WAVES:
                write(running, wave)
        met = asking.result()
    assert met["told"] == CLIENTS * ROUNDS
    for owner, prompt in running.prompts():
        assert {code.partition("-")[0] for code in told(prompt)} <= {owner.upper()}
    wanted = {owner: Counter(Fact(owner, number).code for number in planted()) for owner in KEYS}
    assert {owner: running.stored(owner) for owner in KEYS} == wanted
    print(f"{CLIENTS} clients, {len(running.upstream.completions)} requests, {dict(met)}")
    assert "Traceback" not in "".join(line for host in running.both for line in host.proxy.told)


def test_a_host_that_comes_later_finds_what_is_there_and_adds_nothing(running, embedder, tmp_path):
    owner = "dan"
    before = running.stored(owner)
    late = Host(tmp_path, running.both[0].surroundings)
    for session in range(WAVES * SESSIONS):
        late.write(owner, session, range(session * TURNS, (session + 1) * TURNS))
    late.ingest(owner, embedder)
    assert running.stored(owner) == before
    assert set(before.values()) == {1}


@pytest.mark.timeout(300)
def test_every_fact_is_told_by_both_proxies(rested):
    for number in range(len(KEYS)):
        with Client(number, rested.both) as client:
            for fact in facts(client.owner, planted()):
                for proxy in range(2):
                    status, prompt = client.ask(user(fact.question), proxy=proxy)
                    assert (status, fact.code in prompt[-1]) == ("injected", True)


@pytest.mark.timeout(300)
def test_a_conversation_that_goes_on_at_the_other_proxy_goes_on_without_its_earlier_memories(rested):
    with Client(1, rested.both) as client:
        first, second = facts(client.owner, (0, 5))
        question = f"{first.question} I am new here."  # nobody asked this in these words before
        talk = [user(question)]
        status, given = client.ask(*talk, proxy=0, session="talk")
        assert (status, first.code in given[0]) == ("injected", True)
        # A tool's result: the other proxy never saw where the turn began, and has nothing to put back.
        status, (moved, *_) = client.ask(*talk, CALLED, RESULT, proxy=1, session="talk")
        assert (status, moved) == ("skipped", question)
        status, (kept, *_) = client.ask(*talk, CALLED, RESULT, proxy=0, session="talk")
        assert (status, kept) == ("replayed", given[0])
        # A new turn is looked up wherever it comes; the one before it goes without.
        talk += [assistant("Noted."), user(second.question)]
        status, prompt = client.ask(*talk, proxy=1, session="talk")
        assert (status, prompt[0], second.code in prompt[-1]) == ("injected", question, True)
        status, prompt = client.ask(*talk, proxy=0, session="talk")
        assert (status, prompt[0], second.code in "".join(prompt)) == ("injected", given[0], True)


def test_a_collection_that_another_host_made_meanwhile_stays(running):
    first, second = (Server.at(running.qdrant.url, None, "yard") for _ in range(2))
    made = {"schema": 1, "id": "first"}
    assert first.facts() is second.facts() is None
    first.create(made, 3, False)
    second.create({"schema": 1, "id": "second"}, 3, False)
    assert first.facts() == second.facts() == made
    first.close()
    second.close()
