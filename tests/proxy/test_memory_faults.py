"""A memory that fails, hangs, is slow or talks nonsense: requests are answered as without the proxy.

`FAULT_REQUESTS=1000 pytest -s tests/proxy/test_memory_faults.py` is the full number, with milliseconds.
"""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from proxy.patience import FAILURES, MOST_THREADS
from proxy.recalled import Recalled
from tests.proxy.alike import CHAT, HEADERS, REQUESTS, Prompt, body, compared
from tests.proxy.caller import Caller
from tests.proxy.inside import found, inside
from tests.proxy.upstream import chat

DEADLINE = 0.3


class Panic(BaseException):
    """As an engine written in another language raises it."""


def raising(error):
    def recall(_):
        raise error

    return recall


def odd(**fields):
    return lambda _: SimpleNamespace(**{"query": "q", "candidates": [], "kept": [], "render": str} | fields)


FAILING = {
    "it raises": (raising(RuntimeError("no memory")), "no memory"),
    "it raises without a word": (raising(LookupError()), "LookupError"),
    "it panics": (raising(Panic("out of bounds")), "Panic: out of bounds"),
    "it exits": (raising(SystemExit(3)), "SystemExit: 3"),
    "it stops an iteration": (raising(StopIteration()), "StopIteration: "),
    "it is interrupted": (raising(KeyboardInterrupt()), "KeyboardInterrupt: "),
}
NONSENSE = {
    "nothing": lambda _: None,
    "a text": lambda _: "the port is 6543",
    "ids that are none": odd(kept=7),
    "a block that cannot be made": lambda _: Recalled("q", [], ["a"], lambda count: 1 // 0),
    "a block that is none": odd(kept=["a"], render=lambda count: 5),
    "ids that no disk takes": odd(kept=[object()], render=lambda count: "a block"),
}


def ready(port):
    with Caller(port) as caller:
        assert caller.ask("GET", "/health").status == 200
        answer = caller.ask("GET", "/ready")
    assert answer.status == 200
    return json.loads(answer.body)


def counted(port):
    with Caller(port) as caller:
        lines = caller.ask("GET", "/metrics").body.decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def ask(port, number, question="Which port?", **named):
    with Caller(port) as caller:
        headers = [*HEADERS, *((name.replace("_", "-"), value) for name, value in named.items())]
        answer = caller.ask("POST", CHAT, headers, body(number, question))
    assert answer.status == 200
    return answer.header("x-rag-status")


def until(happened, seconds):
    end = time.monotonic() + seconds
    while not happened() and time.monotonic() < end:
        time.sleep(0.02)
    return happened()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAILING)
def test_a_memory_that_fails_costs_nobody_an_answer(tmp_path, fault):
    recall, reason = FAILING[fault]
    with Prompt(chat("Hola.")) as upstream, inside(upstream.url, tmp_path, recall) as proxy:
        added = compared(upstream, proxy.port, lambda number: f"Which port has number {number}?")
        assert set(added.statuses) == {"degraded"}
        assert len(proxy.asked) == FAILURES  # from then on nobody asked
        told = ready(proxy.port)
        assert (told["status"], [one["part"] for one in told["degraded"]]) == ("degraded", ["memory"])
        assert told["degraded"][0]["reason"] == reason
        assert counted(proxy.port)["recuerdo_breaker_open"] == 1
        assert counted(proxy.port)['recuerdo_requests_total{status="degraded"}'] == REQUESTS
    print(f"{fault}: {added}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", NONSENSE)
def test_a_memory_that_talks_nonsense_costs_nobody_an_answer(tmp_path, fault):
    with Prompt(chat("Hola.")) as upstream, inside(upstream.url, tmp_path, NONSENSE[fault]) as proxy:
        added = compared(upstream, proxy.port, lambda number: f"Which port has number {number}?")
        assert set(added.statuses) == {"degraded"}
        assert until(lambda: proxy.log.getvalue().count("\n") >= REQUESTS, 10)
        assert all(json.loads(line)["reason"] for line in proxy.log.getvalue().splitlines()[:REQUESTS])
        assert counted(proxy.port)["recuerdo_log_lines_dropped"] == 0
    print(f"{fault}: {added}")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seconds", [DEADLINE * 1.3, 600.0], ids=["slow", "hanging"])
def test_a_memory_that_is_slow_or_hangs_keeps_nobody_waiting(tmp_path, seconds):
    release = threading.Event()

    def recall(_):
        release.wait(seconds)
        return found("the port is 6543")

    with Prompt(chat("Hola.")) as upstream, inside(upstream.url, tmp_path, recall) as proxy:
        closed = compared(upstream, proxy.port, lambda number: f"Which of the ports {number}?", FAILURES)
        opened = compared(upstream, proxy.port, lambda number: f"Which port has number {number}?")
        release.set()
        assert set(closed.statuses + opened.statuses) == {"degraded"}
        assert len(proxy.asked) <= FAILURES + 2  # a question in the background now and then
        assert max(closed.waited) < 2 * DEADLINE * 1000
    print(f"{seconds} s: breaker closed: {closed}; open: {opened}")


@pytest.mark.timeout(1200)
def test_a_memory_that_is_slow_now_and_then_never_costs_more_than_the_deadline(tmp_path):
    times = iter(range(10**9))

    def recall(_):  # two of three are too slow, so that the breaker stays closed
        time.sleep(0 if next(times) % 3 == 2 else DEADLINE * 1.1)
        return Recalled("q")

    with Prompt(chat("Hola.")) as upstream, inside(upstream.url, tmp_path, recall) as proxy:
        count = max(REQUESTS // 2, 3)
        added = compared(upstream, proxy.port, lambda number: f"Which port has number {number}?", count)
        assert added.statuses.count("degraded") == count - count // 3
        assert counted(proxy.port)["recuerdo_breaker_open"] == 0
    slow = [took for took, status in zip(added.waited, added.statuses, strict=True) if status == "degraded"]
    assert max(slow) < 2 * DEADLINE * 1000
    print(f"breaker closed: {added.told(slow)}")


def test_a_crowd_before_a_memory_that_hangs_is_answered_all_the_same(tmp_path):
    with ExitStack() as stack:
        release = threading.Event()
        stack.callback(release.set)
        upstream = stack.enter_context(Prompt(chat("Hola.")))
        proxy = stack.enter_context(inside(upstream.url, tmp_path, lambda _: release.wait(60)))
        with ThreadPoolExecutor(50) as crowd:
            began = time.monotonic()
            statuses = list(crowd.map(lambda number: ask(proxy.port, number), range(100)))
        assert time.monotonic() - began < 5
        assert statuses == ["degraded"] * 100
        release.set()


def test_when_the_memory_recovers_it_is_asked_again_without_anybody_waiting(tmp_path):
    hanging, release = threading.Event(), threading.Event()
    hanging.set()

    def recall(_):
        if hanging.is_set():
            release.wait(60)
        return found("the port is 6543")

    before = threading.active_count()
    with Prompt(chat("Hola.")) as upstream, inside(upstream.url, tmp_path, recall) as proxy:
        statuses = [ask(proxy.port, number) for number in range(FAILURES)]
        assert counted(proxy.port)["recuerdo_breaker_open"] == 1
        hanging.clear()  # what was asked before still hangs, on both threads
        waited = []
        for number in range(100):
            began = time.monotonic()
            statuses.append(ask(proxy.port, number))
            waited.append(time.monotonic() - began)
            if statuses[-1] == "injected":
                break
            time.sleep(0.1)
        assert set(statuses[:-1]) == {"degraded"}
        assert statuses[-1] == "injected"
        assert max(waited) < DEADLINE
        assert ready(proxy.port) == {"status": "ready", "degraded": []}
        assert counted(proxy.port)["recuerdo_breaker_open"] == 0
        assert threading.active_count() <= before + MOST_THREADS + 4
        release.set()


def test_a_turn_that_fails_keeps_what_earlier_turns_were_given(tmp_path):
    faults = [raising(RuntimeError("no memory")), *NONSENSE.values()]

    def recall(asked):
        return faults.pop()(asked) if asked.question == "And the host?" else found("the port is 6543")

    def told(proxy, *messages):
        with Caller(proxy.port) as caller:
            sent = json.dumps({"model": "m", "messages": messages, "tools": [{}]}).encode()
            return caller.ask("POST", CHAT, [*HEADERS, ("x-affinity", "s")], sent)

    first = {"role": "user", "content": "Which port?"}
    answered = {"role": "assistant", "content": "6543."}
    with Prompt(chat("Hola.")) as upstream, inside(upstream.url, tmp_path, recall) as proxy:
        told(proxy, first)
        block = upstream.requests[-1].json["messages"][0]["content"]
        assert "6543" in block
        while faults:
            answer = told(proxy, first, answered, {"role": "user", "content": "And the host?"})
            assert answer.header("x-rag-status") == "degraded"
            assert answer.header("x-rag-memories") == "1"
            sent = upstream.requests[-1].json["messages"]
            assert [one["content"] for one in sent] == [block, "6543.", "And the host?"]


def test_a_memory_that_fails_opens_nothing_to_strangers(tmp_path):
    recall, _ = FAILING["it panics"]
    with Prompt(chat("Hola.")) as upstream, inside(upstream.url, tmp_path, recall, keys="sesame") as proxy:
        with Caller(proxy.port) as caller:
            for _ in range(FAILURES + 1):
                assert caller.ask("POST", CHAT, HEADERS, body(0, "Which port?")).status == 401
            named = [*HEADERS, ("Authorization", "Bearer sesame")]
            for number in range(FAILURES + 1):
                answer = caller.ask("POST", CHAT, named, body(number, "Which port?"))
                assert (answer.status, answer.header("x-rag-status")) == (200, "degraded")
            assert caller.ask("POST", CHAT, HEADERS, body(0, "Which port?")).status == 401
        assert len(upstream.requests) == FAILURES + 1
