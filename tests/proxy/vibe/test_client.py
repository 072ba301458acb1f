"""The harness itself, straight against the scripted upstream, without a proxy."""

import shutil
import subprocess
import sys
import time

import pytest

from tests.proxy.upstream import Reply, Upstream, said
from tests.proxy.vibe import client
from tests.proxy.vibe.client import VERSIONS, Client, installed


@pytest.fixture(params=VERSIONS)
def run(request, tmp_path):
    if not installed(request.param):
        pytest.skip(f"Vibe {request.param} is not here: python -m tests.proxy.vibe.client")
    with Upstream() as upstream:
        yield Client(request.param, tmp_path / "vibe", f"{upstream.url}/v1", "sesame"), upstream


def test_a_run_calls_a_tool_answers_and_leaves_a_log(run, tmp_path):
    vibe, upstream = run
    (tmp_path / "notes.txt").write_text("The kettle is blue.\n")
    upstream.script = said([("bash", {"command": "cat notes.txt"})], "It says that the kettle is blue.")
    done = vibe.ask("What does notes.txt say?", tmp_path)
    assert done.stdout.strip() == "It says that the kettle is blue."
    first, second = upstream.chats
    assert [message["role"] for message in first.json["messages"]] == ["system", "user"]
    assert first.json["messages"][1]["content"] == "What does notes.txt say?"
    assert f"Absolute path: {tmp_path}\n" in first.json["messages"][0]["content"]
    assert "The kettle is blue." in second.json["messages"][-1]["content"]
    assert first.json.get("stream", False) == (vibe.version == "3.0.2")
    assert first.header("authorization") == "Bearer sesame"
    assert {received.target for received in upstream.requests} == {"/v1/chat/completions"}
    assert "kettle is blue" in "".join(file.read_text() for file in vibe.sessions.rglob("*.json*"))


def test_a_run_that_takes_too_long_is_killed(run, tmp_path):
    vibe, upstream = run
    upstream.script = lambda _: Reply(hang=True)
    began = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        vibe.ask("Hello?", tmp_path, seconds=6)
    assert time.monotonic() - began < 20
    assert upstream.wait_aborted(1, 5)


def test_without_python_3_12_installing_says_so_in_one_sentence(tmp_path):
    elsewhere = tmp_path / "tests" / "proxy" / "vibe" / "client.py"
    elsewhere.parent.mkdir(parents=True)
    shutil.copy(client.__file__, elsewhere)
    done = subprocess.run(
        [sys.executable, str(elsewhere)],
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("Vibe needs Python 3.12")
    assert done.stderr.count("\n") == 1
