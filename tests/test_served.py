"""Questions over HTTP, by the real program: what LangServe's clients get, and who gets nothing."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from questioned import Answered
from tests import scripted

ROOT = Path(__file__).resolve().parent.parent
WARRANTY = {"question": "How long is the warranty of the Aurora 300 pump?"}
SAID = ("It has a warranty", " of three years [1].")
INNER = ("candidates", "passages", "context", "page_content", "langgraph", "score_filter", "relevance_score")


@contextmanager
def served(environment, documents, *arguments, **more):
    words = [sys.executable, ROOT / "app.py", "serve", "--port", "0", "--documents", documents, *arguments]
    process = subprocess.Popen(
        list(map(str, words)),
        env=environment | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield re.search(r"http://\S+/rag", line)[0], process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def model():
    with scripted.server(scripted.streamed(*SAID), pose="vllm") as server:
        yield server


@pytest.fixture
def url(environment, pump_folder, model):
    with served(environment, pump_folder, OPENAI_BASE_URL=f"{model.url}/v1") as (address, _):
        yield address


def test_langserves_own_client_gets_the_whole_answer_many_of_them_and_its_words(url):
    from langserve import RemoteRunnable

    remote = RemoteRunnable(url)
    whole = remote.invoke(WARRANTY)
    assert whole["answer"] == "".join(SAID)
    assert (whole["abstained"], whole["model"], whole["complete"]) == (False, "m", True)
    assert whole["sources"][0]["file"] == "pump.txt"
    assert set(whole) == set(Answered.model_fields)
    history = [
        {"role": "user", "content": WARRANTY["question"]},
        {"role": "assistant", "content": "3 years."},
    ]
    asked = [
        WARRANTY,
        {"question": "Wie hoch ist der Eiffelturm?"},
        {"question": "And its filter?", "history": history},
    ]
    answers = remote.batch(asked)
    assert [one["abstained"] for one in answers] == [False, True, False]
    pieces = list(remote.stream(WARRANTY))
    assert [piece.get("answer") for piece in pieces] == [*SAID, None]
    assert pieces[-1]["sources"] == whole["sources"]

    async def words():
        return [piece async for piece in remote.astream(WARRANTY)]

    assert asyncio.run(words()) == pieces


def test_nothing_inner_is_told_by_any_endpoint(url):
    for path in ("invoke", "stream", "stream_log"):
        told = httpx.post(f"{url}/{path}", json={"input": WARRANTY}).text
        assert "warranty" in told
        assert [word for word in INNER if word in told] == []
    for path in ("stream_events", "feedback", "token_feedback", "public_trace_link", "config_schema"):
        assert httpx.post(f"{url}/{path}", json={"input": WARRANTY}).status_code in {404, 405}
    assert httpx.get(url.replace("/rag", "/docs")).status_code == 404


def test_the_playground_is_there_and_fetches_nothing_from_elsewhere(url):
    page = httpx.get(f"{url}/playground/")
    assert page.status_code == 200
    assert re.findall(r"(?:src|href)=\"(https?:[^\"]+)", page.text) == []
    schema = httpx.get(f"{url}/input_schema").json()
    assert schema["required"] == ["question"]
    assert "abstained" in httpx.get(f"{url}/output_schema").json()["properties"]


def test_what_cannot_be_meant_is_told_by_its_name(url):
    history = [{"role": "tool", "content": "x"}]
    for given, where in (
        ({}, "question"),
        ({"question": " \n"}, "question"),
        ({"question": 3}, "question"),
        ({"question": "x", "histroy": []}, "histroy"),
        ({"question": "x", "history": history}, "role"),
    ):
        asked = {"invoke": {"input": given}, "batch": {"inputs": [given]}, "stream": {"input": given}}
        for path, body in asked.items():
            refused = httpx.post(f"{url}/{path}", json=body)
            assert refused.status_code == 422
            assert where in json.dumps(refused.json()["detail"])


def test_a_model_that_fails_is_one_sentence(environment, pump_folder):
    with (
        scripted.server(scripted.failing(500, "no memory"), pose="vllm") as broken,
        served(environment, pump_folder, OPENAI_BASE_URL=f"{broken.url}/v1") as (address, _),
    ):
        refused = httpx.post(f"{address}/invoke", json={"input": WARRANTY}, timeout=60)
        assert refused.status_code == 503
        assert "no memory" in refused.json()["detail"]
        abstained = httpx.post(
            f"{address}/invoke", json={"input": {"question": "Wie hoch ist der Eiffelturm?"}}
        )
        assert abstained.json()["output"]["abstained"] is True


def test_with_a_key_nobody_else_asks_and_strangers_pages_never(environment, pump_folder, model):
    more = {"OPENAI_BASE_URL": f"{model.url}/v1", "SERVE_API_KEY": "open-sesame"}
    with served(environment, pump_folder, **more) as (address, _):
        for sent in ({}, {"authorization": "Bearer wrong"}, {"authorization": "open-sesame"}):
            refused = httpx.post(f"{address}/invoke", json={"input": WARRANTY}, headers=sent)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        known = {"authorization": "Bearer open-sesame"}
        assert httpx.post(f"{address}/invoke", json={"input": WARRANTY}, headers=known).status_code == 200
        for strange in ({"host": "evil.example"}, {"origin": "http://evil.example"}):
            refused = httpx.post(f"{address}/invoke", json={"input": WARRANTY}, headers=known | strange)
            assert refused.status_code == 403
        assert httpx.get(address.replace("/rag", "/health")).json() == {"status": "ok"}


def test_it_is_told_to_end_and_does(environment, pump_folder, model):
    for number in (signal.SIGINT, signal.SIGTERM):
        with served(environment, pump_folder, OPENAI_BASE_URL=f"{model.url}/v1") as (_, process):
            process.send_signal(number)
            assert process.wait(20) == 0
            assert process.stderr.read() == ""


def test_an_address_that_cannot_be_used_is_one_sentence(app, url):
    port = url.removesuffix("/rag").rpartition(":")[2]
    for words, status, said in (
        (("--port", port), 2, "choose another --port"),
        (("--host", "0.0.0.0"), 78, "SERVE_API_KEY"),  # noqa: S104  # refused
    ):
        done = app("serve", *words)
        assert done.returncode == status
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
