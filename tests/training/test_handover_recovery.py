"""After a kill the next start knows what was stopped, and starts it once nothing of the training is left."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import lending
from errors import Locked, PartMissing, StoreFailed
from tests.training.lender import LIMITS, OTHER, SERVER, Scene
from training import handover
from training.programs import Limits

SHORT = Limits(**LIMITS)


@pytest.fixture
def scene(tmp_path, monkeypatch):
    found = Scene(tmp_path)
    monkeypatch.setenv("PATH", f"{found.engine.folder}:{os.environ['PATH']}")
    return found


def gone():
    """A process that has ended, and how it was born."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        born = lending.birth(process.pid)
    return process.pid, born


def left(scene, state, containers=(SERVER,), **more):
    """The journal of a training that was killed."""
    pid, born = gone()
    facts = {"state": state, "containers": containers, "since": "2026-11-26T14:02:00+00:00", "pid": pid}
    scene.journal.write_text(json.dumps(facts | {"born": born} | more))


def recover(scene, limits=SHORT):
    return handover.recover(scene.journal, print, limits)


@pytest.mark.parametrize("found", ["running", "exited"])
@pytest.mark.parametrize("state", lending.STATES)
def test_from_every_state_the_server_runs_again(scene, state, found):
    scene.engine.add(SERVER, status=found)
    left(scene, state)
    assert recover(scene).endswith(f"was broken off: {SERVER} runs again.")
    assert scene.is_as_before()
    # Only there a stop may be under way.
    assert scene.engine.calls("stop") == ([SERVER] if state == "draining" else [])


def test_where_nothing_was_left_nobody_is_asked(scene):
    assert recover(scene) is None
    assert list(scene.journal.parent.iterdir()) == []
    scene.begin("instead_of").end()
    asked = len(scene.engine.calls("inspect"))
    assert recover(scene) is None
    assert len(scene.engine.calls("inspect")) == asked


def test_a_later_process_with_its_number_is_not_taken_for_it(scene):
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    left(scene, "training", pid=sleeper.pid, born=lending.birth(sleeper.pid) + "0")
    scene.engine.add(SERVER, status="exited")
    recover(scene)
    assert scene.is_as_before()
    left(scene, "training", pid=sleeper.pid, born=lending.birth(sleeper.pid))
    with pytest.raises(Locked, match=f"Process {sleeper.pid} has the GPU"):
        recover(scene)
    sleeper.kill()
    sleeper.wait()


def test_the_next_training_takes_over_and_the_server_is_not_started_in_between(scene):
    first = scene.begin("instead_of", seconds=20)
    first.kill(first.child())
    assert scene.engine.status(SERVER) == "exited"
    assert scene.begin("instead_of").end()[0] == 0
    assert scene.engine.calls("start") == [SERVER]
    assert scene.is_as_before()


def test_the_next_training_in_place_of_another_server_brings_the_first_back_before(scene):
    scene.engine.add(SERVER, status="exited")
    scene.engine.add(OTHER)
    left(scene, "training")
    assert scene.begin("instead_of", names=[OTHER], seconds=0).end()[0] == 0
    with scene.engine.changing() as state:
        done = [(verb, name) for verb, name in state["log"] if verb != "inspect"]
    assert done == [("start", SERVER), ("stop", OTHER), ("start", OTHER)]


def test_a_docker_command_of_a_killed_training_ends_with_it(scene):
    scene.engine.fault("hang", verb="stop")
    running = scene.begin("instead_of")
    while not scene.engine.calls("stop"):
        time.sleep(0.01)
    running.kill()
    began = time.monotonic()
    recover(scene)
    assert time.monotonic() - began < 6
    assert scene.is_as_before()


def test_one_that_outlives_it_is_waited_for(scene):
    scene.engine.fault("outlive", verb="stop", seconds=2)
    running = scene.begin("instead_of")
    while not scene.engine.calls("stop"):
        time.sleep(0.01)
    running.kill()
    recover(scene)
    time.sleep(2.3)  # as long as its stop may still come
    assert scene.is_as_before()


def test_a_stop_that_docker_still_carries_out_does_not_end_what_is_started(scene):
    scene.engine.add(SERVER, stop_seconds=1.5)
    running = scene.begin("instead_of")
    while not scene.engine.calls("stop"):
        time.sleep(0.01)
    time.sleep(0.3)
    running.kill(*running.children("docker"))  # as when a session is ended with all that is in it
    recover(scene)
    time.sleep(1.6)
    assert scene.is_as_before()


def test_a_stop_that_was_given_up_does_not_end_what_is_started(scene):
    scene.engine.add(SERVER, stop_seconds=2.5)
    status, said = scene.begin("instead_of", limits=LIMITS | {"slack": 0.5}).end()
    assert status == 3
    assert "`docker stop -t 1 devstral-vllm` did not end within 2 s." in said
    time.sleep(1.5)
    assert scene.is_as_before()


def test_a_training_whose_parent_was_killed_ends_in_order_and_then_the_server_starts(scene):
    running = scene.begin("instead_of", seconds=60, linger=1.5)
    running.child()
    while not scene.seen:
        time.sleep(0.01)
    running.kill()
    began = time.monotonic()
    recover(scene)
    assert 1 < time.monotonic() - began < 20
    assert scene.is_as_before()


def test_one_that_does_not_end_is_told_of_and_nothing_is_started(scene):
    running = scene.begin("instead_of", seconds=60, linger=60)
    child = running.child()
    while not scene.seen:
        time.sleep(0.01)
    running.kill()
    assert lending.told(scene.journal).startswith("Training runs since")
    with pytest.raises(Locked, match=rf"killed training {running.process.pid} .+ `fuser .+gpu.lock` shows"):
        recover(scene, Limits(**LIMITS | {"left": 0.5}))
    assert scene.engine.calls("start") == []
    os.kill(child, signal.SIGKILL)
    recover(scene)
    assert scene.is_as_before()


def test_a_start_that_fails_for_a_moment_is_tried_again(scene):
    scene.engine.fault("fail", verb="start", times=2)
    assert scene.begin("instead_of").end()[0] == 0
    assert scene.is_as_before()


def test_a_container_that_was_lost_is_named_and_remembered(scene):
    scene.engine.fault("lose", verb="start")
    status, said = scene.begin("instead_of").end()
    assert status == 3
    assert (
        "does not run again (`docker start devstral-vllm` failed: Error response from daemon: No such" in said
    )
    assert (
        "run `docker start devstral-vllm` when docker is in order, or `python -m training recover`." in said
    )
    with pytest.raises(PartMissing, match=r"No such container"):
        recover(scene)
    scene.engine.add(SERVER)  # made anew by hand
    recover(scene)
    assert scene.is_as_before()


def test_a_server_that_does_not_get_healthy_is_named_and_remembered(scene):
    scene.engine.add(SERVER, health_seconds=60)
    status, said = scene.begin("instead_of", limits=LIMITS | {"healthy": 0.5}).end()
    assert status == 3
    assert "does not run again (it is running, its health starting)" in said
    assert scene.state == "restarting"


def test_of_two_faults_both_are_said(scene):
    scene.engine.fault("fail", verb="start", times=99)
    status, said = scene.begin("instead_of", limits=LIMITS, names=[SERVER], status=7).end()
    assert status == 3
    assert f"run `docker start {SERVER}`" in said
    scene.engine.gpu(used=20_000)
    status, said = scene.begin("instead_of").end()
    assert status == 3
    assert said.index(f"run `docker start {SERVER}`") < said.index("The GPU is not free")


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_damaged_journal_is_told_of_and_nothing_is_done(scene, text):
    scene.journal.write_text(text)
    sentence = (
        r"gpu.json is damaged: start what ran before the training \(`docker ps --all` shows it\), then remove"
    )
    with pytest.raises(StoreFailed, match=sentence):
        recover(scene)
    with pytest.raises(StoreFailed, match=sentence):
        handover.instead_of(scene.journal, [SERVER], ["true"], print, SHORT)
    assert scene.engine.calls("stop") == scene.engine.calls("start") == []


def test_a_journal_that_cannot_be_removed_is_told_of_with_the_server_running(scene):
    def replaced():
        with handover.lent(scene.journal, [SERVER], print, SHORT):
            scene.journal.unlink()
            scene.journal.mkdir()

    with pytest.raises(
        StoreFailed, match=r"All runs again, but .+gpu.json cannot be removed \(Is a directory\)"
    ):
        replaced()
    assert scene.engine.runs(SERVER)
