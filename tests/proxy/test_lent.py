"""While a training has the GPU the client learns that, and when; while the server answers, nobody looks."""

import fcntl
import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta

import openai
import pytest

import lending
import settings
from lending import Lent
from parts import Parts
from proxied import Proxied
from tests.proxy.caller import Caller
from tests.proxy.inside import inside
from tests.proxy.test_upstream_faults import CHAT, JSON, NO_ANSWER, away, error, recalling, request
from tests.proxy.upstream import Upstream, chat, refused

SAID = "Training runs since 14:02: the model server comes back when it is done."


def lent():
    return SAID


@pytest.mark.parametrize("path", [CHAT, "/v1/embeddings", "/tokenize"])
def test_where_the_server_makes_room_the_client_gets_503_and_the_reason(tmp_path, path):
    with inside(away(), tmp_path, recalling, lent=lent) as proxy, Caller(proxy.port) as caller:
        answer = caller.ask("POST", path, [JSON], request())
        assert (answer.status, answer.header("retry-after")) == (503, "60")
        assert error(answer) == {"message": SAID, "type": "api_error", "param": None, "code": "gpu_lent"}
        assert caller.ask("GET", "/health").status == 200
        ready = caller.ask("GET", "/ready")
        assert ready.status == 503
        assert json.loads(ready.body)["degraded"] == [{"part": "model server", "reason": SAID}]


@pytest.mark.parametrize("fault", NO_ANSWER)
def test_a_server_that_is_just_being_stopped_or_started_makes_room_too(tmp_path, fault):
    with (
        Upstream(lambda _: NO_ANSWER[fault]) as upstream,
        inside(upstream.url, tmp_path, recalling, lent=lent) as proxy,
        Caller(proxy.port) as caller,
    ):
        assert caller.ask("POST", CHAT, [JSON], request()).status == 503


def test_nobody_looks_while_the_server_answers(tmp_path):
    looked = []
    replies = iter([chat("Hola."), refused(503, "Loading."), refused(502, "No.")])
    with (
        Upstream(lambda _: next(replies, chat("Hola."))) as upstream,
        inside(upstream.url, tmp_path, recalling, lent=lambda: looked.append(1)) as proxy,
        Caller(proxy.port) as caller,
    ):
        statuses = [caller.ask("POST", CHAT, [JSON], request()).status for _ in range(4)]
        assert caller.ask("GET", "/ready").status == 200
    assert statuses == [200, 503, 502, 200]
    assert looked == []


def test_a_client_tells_its_user_at_once(tmp_path):
    """With Retry-After alone it would wait in silence, twice a minute."""
    own = openai.DefaultHttpxClient(trust_env=False)
    with inside(away(), tmp_path, lent=lent) as proxy:
        client = openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="k", max_retries=2, http_client=own)
        began = time.monotonic()
        with client, pytest.raises(openai.InternalServerError, match=r"Training runs since 14:02"):
            client.chat.completions.create(**json.loads(request()))
        assert time.monotonic() - began < 5


def journal(folder, **more):
    path = folder / lending.JOURNAL
    facts = {"state": "training", "containers": ["devstral-vllm"], "since": since(), "pid": os.getpid()}
    path.write_text(json.dumps(facts | {"born": lending.birth(os.getpid())} | more))
    return path


def since(days=0):
    return (datetime.now().astimezone() - timedelta(days=days)).isoformat(timespec="seconds")


def gone():
    """A process that has ended, and how it was born."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        born = lending.birth(process.pid)
    return process.pid, born


def test_what_the_journal_says_is_told(tmp_path):
    clock = f"{datetime.now().astimezone():%H:%M}"
    assert lending.told(tmp_path / lending.JOURNAL) is None
    for state in ("draining", "stopped", "training"):
        assert lending.told(journal(tmp_path, state=state)).startswith(f"Training runs since {clock}: ")
    assert "is over: the model server is starting" in lending.told(journal(tmp_path, state="restarting"))
    assert f"since {since(2)[:10]} " in lending.told(journal(tmp_path, since=since(2)))


def test_of_a_killed_training_is_told_how_the_server_comes_back(tmp_path):
    pid, born = gone()
    for facts in ({"pid": pid, "born": born}, {"born": f"{born}0"}, {"pid": 0, "born": ""}):
        said = lending.told(journal(tmp_path, **facts))
        assert "was broken off: `python -m training recover` brings the model server back." in said


def test_a_training_in_another_container_is_known_by_its_lock(tmp_path):
    path = journal(tmp_path, pid=1, born="elsewhere:1")
    with lending.lock_of(path).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert lending.told(path).startswith("Training runs")
    assert "was broken off" in lending.told(path)


def test_a_process_that_ended_unnoticed_does_not_live():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    born = lending.birth(process.pid)
    assert lending.lives(process.pid, born)
    process.stdin.close()
    while lending.lives(process.pid, born):
        time.sleep(0.01)
    assert process.returncode is None  # nobody has asked how it ended
    process.wait()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"state": "training"}', '{"state": 1}', "\0" * 99, "9" * 9999]
)
def test_a_damaged_journal_says_nothing(tmp_path, text):
    path = tmp_path / lending.JOURNAL
    path.write_text(text)
    assert lending.told(path) is None
    with pytest.raises(lending.Damaged):
        lending.read(path)


def test_what_is_no_state_of_ours_is_damage(tmp_path):
    for facts in ({"state": "idle"}, {"pid": "1"}, {"born": None}, {"since": "noon"}, {"containers": None}):
        with pytest.raises(lending.Damaged):
            lending.read(journal(tmp_path, **facts))
    assert isinstance(lending.read(journal(tmp_path)), Lent)


def test_the_proxy_is_handed_the_journal_of_its_data_folder(data_dir):
    with Parts(settings.load(data_dir=data_dir)) as parts:
        proxied = Proxied(parts, [""])
        assert proxied.lent() is None
        journal(data_dir)
        assert proxied.lent().startswith("Training runs since")
