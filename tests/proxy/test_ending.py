"""How the program begins and ends: refused in a sentence, or ended in order with status 0."""

import json
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from benchmarks import sessions
from tests.proxy.upstream import Reply, Upstream
from tests.proxy.vibe.served import ROOT, environment

NOBODY = "http://127.0.0.1:9"


def started(surroundings, *arguments):
    return subprocess.Popen(
        [sys.executable, "app.py", "proxy", "--port", "0", *arguments],
        cwd=ROOT,
        env=surroundings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stream(_):
    kind = [("Content-Type", "text/event-stream")]
    return Reply(headers=kind, body=[b"data: 1\n\n", 1.0, b"data: [DONE]\n\n"], framing="chunked")


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_finishes_what_it_answers(tmp_path, model_cache, embedder, name):
    chosen = environment(tmp_path / "data", model_cache)
    with Upstream(stream) as upstream, started(chosen, "--upstream", upstream.url) as process:
        url = re.search(r"http://\S+:\d+", process.stdout.readline())[0]
        body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, trust_env=False) as answer:
            pieces = answer.iter_raw()
            first = next(pieces)
            process.send_signal(name)
            assert first + b"".join(pieces) == b"data: 1\n\ndata: [DONE]\n\n"
        assert process.wait(20) == 0
        assert json.loads(process.stderr.read())["code"] == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/health", trust_env=False)


def test_told_to_end_as_soon_as_it_is_ready_it_does(tmp_path, model_cache, embedder):
    with started(environment(tmp_path / "data", model_cache), "--upstream", NOBODY) as process:
        assert "listens on" in process.stdout.readline()
        process.terminate()
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


def test_told_to_end_while_it_takes_in_logs_it_does_soon(tmp_path, model_cache, embedder):
    data = tmp_path / "data"
    chosen = environment(data, model_cache, RAG_WATCH="data")
    for number in range(100):
        turns = [(f"{number}-{turn}", f"Which bird is {turn}?", "a heron " * 150) for turn in range(8)]
        sessions.write(data / "logs", number, turns, "/home/dev/birds")
    with started(chosen, "--upstream", NOBODY) as process:
        process.stdout.readline()
        end = time.monotonic() + 60
        while not (data / "memory" / "lock").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        time.sleep(0.5)
        begun = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        assert time.monotonic() - begun < 10
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "{taken}"], r"Port \d+ of 127\.0\.0\.1 cannot be used .*"),
        (
            ["--port", "{taken}", "--upstream", "http://localhost:{taken}/v1"],
            "The upstream .* is the proxy itself.*",
        ),
        (
            ["--port", "{taken}", "--upstream", "http://[::1]:{taken}"],
            "The upstream .* is the proxy itself.*",
        ),
        (["--upstream", "http://127.0.0.1:99999"], r"The upstream .* is no address .*"),
        (["--upstream", "http://[::1"], r"The upstream .* is no address .*"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_sentence(tmp_path, model_cache, arguments, sentence):
    chosen = environment(tmp_path / "data", model_cache)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with started(chosen, *(one.replace("{taken}", port) for one in arguments)) as process:
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert re.fullmatch(rf"{sentence}\n", err)
