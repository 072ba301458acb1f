"""What can be seen of a running proxy: headers, health, counters and a log without anything that was said."""

import json
import re
import time

import httpx
import pytest

from proxy.journal import explained
from proxy.serve import ASKED
from tests.proxy.inside import found, inside, nothing
from tests.proxy.talk import post, serving, status, user
from tests.proxy.upstream import Upstream

NAMES = {f"x-rag-{name}" for name in ("status", "memories", "injected-tokens", "overhead-ms", "request-id")}
PORT, WHY = user("Which port?"), user("Why?")


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as other:
        yield other


def get(proxy, path, **headers):
    return httpx.get(f"{proxy.url}{path}", headers=headers, trust_env=False, timeout=60)


def rag(answer):
    return {name: value for name, value in answer.headers.items() if name.startswith("x-rag-")}


def logged(proxy, number):
    """The lines of the log, once there are so many."""
    end = time.monotonic() + 20
    while len(lines := proxy.log.getvalue().splitlines()) < number:
        assert time.monotonic() < end
        time.sleep(0.01)
    return lines


def test_every_chat_answer_says_what_it_was_given(upstream, tmp_path):
    with serving(upstream.url, tmp_path, lambda _: found("one", "two")) as proxy:
        first = rag(post(proxy, PORT, session="s"))
        assert set(first) == NAMES
        assert (first["x-rag-status"], first["x-rag-memories"]) == ("injected", "2")
        assert int(first["x-rag-injected-tokens"]) > 0
        assert float(first["x-rag-overhead-ms"]) > 0
        assert re.fullmatch("[0-9a-f]{16}", first["x-rag-request-id"])
        again = rag(post(proxy, PORT, session="s"))
        assert again["x-rag-status"] == "replayed"
        assert again["x-rag-request-id"] != first["x-rag-request-id"]
        off = rag(post(proxy, PORT, session="s", headers={"x-rag-mode": "OFF"}))
        assert [off[f"x-rag-{name}"] for name in ("status", "memories", "injected-tokens")] == [
            "off",
            "0",
            "0",
        ]
        assert set(rag(get(proxy, "/v1/models"))) == {"x-rag-request-id"}
        assert set(rag(get(proxy, "/nowhere"))) == {"x-rag-request-id"}
    assert not any(name.lower().startswith("x-rag") for one in upstream.requests for name, _ in one.headers)


def test_a_failing_memory_is_told_and_the_answer_is_there(upstream, tmp_path):
    with serving(upstream.url, tmp_path, lambda _: 1 / 0) as proxy:
        answer = post(proxy, PORT, session="s")
        assert status(answer) == ("degraded", 0)
        assert answer.json()["choices"][0]["message"]["content"] == "Hola"
        logged(proxy, 1)
    row = explained(tmp_path / ASKED, answer.headers["x-rag-request-id"])
    assert (row["rag"], row["reason"]) == ("degraded", "division by zero")


def test_ready_tells_what_does_not_serve(upstream, tmp_path):
    with inside(upstream.url, tmp_path, nothing) as proxy:
        assert get(proxy, "/health").json() == get(proxy, "/livez").json() == {"status": "alive"}
        ready = get(proxy, "/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready", "degraded": []})
        proxy.problems.append({"part": "memory", "reason": "no disk"})
        ready = get(proxy, "/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        assert ready.json()["degraded"] == [{"part": "memory", "reason": "no disk"}]
    with Upstream() as gone:
        pass
    with inside(gone.url, tmp_path, nothing) as proxy:
        ready = get(proxy, "/ready")
        assert (ready.status_code, ready.json()["status"]) == (503, "degraded")
        assert [one["part"] for one in ready.json()["degraded"]] == ["model server"]
        assert get(proxy, "/health").status_code == 200


def test_metrics_count_what_was_given(upstream, tmp_path):
    def recall(asked):
        return found("a memory") if "port" in asked.question else nothing(asked)

    with serving(upstream.url, tmp_path, recall) as proxy:
        tokens = int(post(proxy, PORT, session="s").headers["x-rag-injected-tokens"])
        post(proxy, PORT, session="s")
        post(proxy, WHY, session="s")
        post(proxy, WHY, headers={"x-rag-mode": "off"})
        get(proxy, "/v1/models")
        get(proxy, "/nowhere")
        answer = get(proxy, "/metrics")
    lines = answer.text.splitlines()
    counted = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert all(name.startswith("recuerdo_") for name in counted)
    expected = {
        f'recuerdo_requests_total{{status="{given}"}}': 1 for given in ("injected", "replayed", "none", "off")
    }
    expected |= {'recuerdo_answers_total{code="200"}': 5, 'recuerdo_answers_total{code="404"}': 1}
    expected |= {"recuerdo_injected_tokens_total": 2 * tokens, "recuerdo_resent_without_memory_total": 0}
    expected |= {"recuerdo_overhead_seconds_count": 4, "recuerdo_recall_seconds_count": 2}
    expected |= {
        "recuerdo_breaker_open": 0,
        "recuerdo_log_lines_dropped": 0,
        "recuerdo_clients_gone_total": 0,
    }
    expected["recuerdo_requests_running"] = 1  # the one that asks
    assert {name: float(counted[name]) for name in expected} == expected


def test_the_log_has_a_line_of_json_a_request_and_nothing_of_what_was_said(upstream, tmp_path):
    key = "sesame-of-ana"
    told = found("a plover nests here", query="heron")
    told.candidates[0]["title"] = "about bitterns"
    with serving(upstream.url, tmp_path, lambda _: told, keys=key, upstream_key="avocet") as proxy:
        question = user("Where do curlews nest?")
        asked = post(proxy, question, key=key, session="s", headers={"x-rag-project": "/home/dev/birds"})
        post(proxy, question, key="wrong-key")
        get(proxy, f"/v1/models?key={key}", authorization=f"Bearer {key}")
        lines = logged(proxy, 3)
    rows = [json.loads(line) for line in lines]
    requests = [(row["method"], row["path"], row["code"]) for row in rows]
    assert requests[:2] == [("POST", "/v1/chat/completions", 200), ("POST", "/v1/chat/completions", 401)]
    assert requests[2][:2] == ("GET", "/v1/models")
    first = rows[0]
    assert first["id"] == asked.headers["x-rag-request-id"]
    assert (first["rag"], first["session"], first["project"]) == ("injected", "s", "/home/dev/birds")
    assert (first["memories"], first["owner"]) == (1, "")
    assert all(row["seconds"] >= 0 and abs(row["time"] - time.time()) < 60 for row in rows)
    assert "rag" not in rows[1]
    for word in ("curlew", "plover", "heron", "bittern", "sesame", "avocet", "wrong-key", "Hola"):
        assert word not in "".join(lines)


def test_what_explains_a_request_is_open_to_its_user_alone(upstream, tmp_path):
    home = tmp_path / "proxy"
    with serving(upstream.url, home, nothing) as proxy:
        post(proxy, PORT)
        logged(proxy, 1)
        assert home.stat().st_mode & 0o077 == 0
