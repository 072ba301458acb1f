"""A training gets the GPU of a server that then runs as before; what cannot be undone is not begun."""

import http.server
import signal
import sys
import threading
import time

import pytest

import lending
from errors import BadInput, Locked, PartMissing, StoreFailed
from tests.training.lender import LIMITS, OTHER, SERVER, Scene
from training import handover
from training.programs import Limits

NAMES = [SERVER, OTHER]
SHORT = Limits(**LIMITS)


@pytest.fixture
def scene(tmp_path, monkeypatch):
    found = Scene(tmp_path)
    monkeypatch.setenv("PATH", str(found.engine.folder))
    return found


def hand_over(scene, names=NAMES, limits=SHORT, program="pass"):
    said = []
    words = [sys.executable, "-IS", "-c", program]
    return handover.instead_of(scene.journal, names, words, said.append, limits), said


@pytest.mark.parametrize("way", ["instead_of", "lent"])
def test_the_server_is_stopped_for_the_training_and_runs_after_it(scene, way):
    status, said = scene.begin(way).end()
    assert status == 0
    assert said == f"{SERVER} makes room for the training.\nStarting {SERVER} …\n{SERVER} runs again.\n"
    assert scene.seen == {"exited"}
    assert scene.engine.calls("stop") == scene.engine.calls("start") == [SERVER]
    assert scene.is_as_before()


def test_the_status_is_that_of_the_training(scene):
    assert hand_over(scene, program="raise SystemExit(7)")[0] == 7
    assert hand_over(scene, program="import os; os.kill(os.getpid(), 6)")[0] == 128 + signal.SIGABRT
    assert scene.is_as_before()


def test_a_server_that_did_not_run_is_not_started(scene):
    scene.engine.add(SERVER, status="exited")
    status, said = hand_over(scene, names=[*NAMES, "never-made"])
    assert (status, said) == (0, [])
    assert scene.engine.calls("stop") == scene.engine.calls("start") == []
    assert not scene.journal.exists()


def test_several_servers_all_run_again(scene):
    scene.engine.add(OTHER)
    status, said = hand_over(scene)
    assert (status, said[-1]) == (0, f"{SERVER} and {OTHER} run again.")
    assert scene.engine.runs(SERVER)
    assert scene.engine.runs(OTHER)


def test_a_crash_loop_is_ended_for_the_training_too(scene):
    scene.engine.add(SERVER, status="restarting")
    hand_over(scene)
    assert scene.engine.calls("stop") == scene.engine.calls("start") == [SERVER]


def test_without_names_nobody_is_asked(scene):
    with handover.lent(scene.journal, [], print, SHORT):
        pass
    assert scene.engine.calls("inspect") == []
    assert list(scene.journal.parent.iterdir()) == []


def test_without_docker_nothing_is_begun(scene, monkeypatch):
    monkeypatch.setenv("PATH", str(scene.journal.parent))
    with pytest.raises(PartMissing, match=r"There is no `docker` on the PATH"):
        hand_over(scene)
    assert not scene.journal.exists()


REFUSED = {
    "paused": ({"status": "paused"}, r"is paused: run `docker unpause devstral-vllm` first"),
    "passing": ({"remove": True}, r"was started with --rm"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_server_that_could_not_come_back_as_it_was_is_not_stopped(scene, why):
    facts, sentence = REFUSED[why]
    scene.engine.add(SERVER, **facts)
    with pytest.raises(BadInput, match=sentence):
        hand_over(scene)
    assert scene.engine.calls("stop") == []
    assert not scene.journal.exists()


@pytest.mark.parametrize("name", ["--all", "", "a b", "a;b", "$(x)"])
def test_what_is_no_name_never_reaches_docker(scene, name):
    with pytest.raises(BadInput, match="is no name of a container"):
        hand_over(scene, names=[name])
    assert scene.engine.calls("inspect") == []


@pytest.mark.parametrize("kind", ["refuse", "fail", "nonsense", "hang"])
def test_a_docker_that_does_not_answer_is_a_sentence_and_nothing_is_begun(scene, kind):
    scene.engine.fault(kind, verb="inspect", times=9)
    with pytest.raises(
        PartMissing, match=r"^`docker inspect .+(failed: |not be understood: |did not end).+\.$"
    ):
        hand_over(scene)
    assert scene.engine.calls("stop") == []
    assert not scene.journal.exists()


def test_two_trainings_exclude_each_other_and_the_first_is_named(scene):
    first = scene.begin("instead_of", seconds=3)
    assert scene.until("training", first)
    named = rf"Process {first.process.pid} has the GPU for a training since \d\d:\d\d: wait"
    with pytest.raises(Locked, match=named):
        hand_over(scene)
    with pytest.raises(Locked, match=named):
        handover.recover(scene.journal, print, SHORT)
    lending.lock_of(scene.journal).unlink()  # as somebody does who thinks that it was left behind
    with pytest.raises(Locked, match=named):
        handover.recover(scene.journal, print, SHORT)
    first.process.terminate()
    assert first.end()[0] == 130
    assert scene.is_as_before()


def test_where_the_journal_cannot_be_written_nothing_is_stopped(scene):
    scene.journal.with_suffix(".partial").mkdir()
    with pytest.raises(StoreFailed, match=r"gpu.json cannot be written: Is a directory\.$"):
        hand_over(scene)
    assert scene.engine.calls("stop") == []
    file = scene.home / "file"
    file.touch()
    with pytest.raises(StoreFailed, match=r"gpu.lock cannot be written: File exists\.$"):
        handover.instead_of(file / "gpu.json", NAMES, ["true"], print, SHORT)


def test_a_training_that_cannot_be_started_ends_with_the_server_running(scene):
    with pytest.raises(PartMissing, match=r"`no-such-program` cannot be started: No such file"):
        handover.instead_of(scene.journal, NAMES, ["no-such-program"], print, SHORT)
    assert scene.is_as_before()


def test_a_terminal_that_is_gone_keeps_nobody_from_the_rest(scene):
    def say(sentence):
        raise SystemExit("broken pipe")  # as rich does

    assert handover.instead_of(scene.journal, NAMES, [sys.executable, "-c", ""], say, SHORT) == 0
    assert scene.is_as_before()


def test_answers_under_way_are_waited_for(scene):
    busy = iter([b'{engine="0"} 2.0', b'{engine="0"} 1.0', b"{} 0.0"])
    stopped_at_each_look = []

    class Metrics(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            stopped_at_each_look.append(scene.engine.calls("stop"))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"# TYPE x gauge\nvllm:num_requests_running" + next(busy, b" 0") + b"\n")

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Metrics) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        scene.engine.add(SERVER, port=server.server_port)
        hand_over(scene, limits=Limits(**LIMITS | {"drain": 20}))
        server.shutdown()
    assert stopped_at_each_look == [[], [], []]
    assert scene.is_as_before()


def test_the_server_is_waited_for_until_it_is_healthy(scene):
    scene.engine.add(SERVER, health_seconds=1)
    began = time.monotonic()
    hand_over(scene)
    assert time.monotonic() - began > 1
    assert scene.is_as_before()


def test_a_signal_ends_that_wait_and_the_server_runs(scene):
    scene.engine.add(SERVER, health_seconds=60)
    running = scene.begin("instead_of", limits=LIMITS | {"healthy": 60})
    assert scene.until("restarting", running)
    while not scene.engine.calls("start"):
        time.sleep(0.01)
    running.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert running.end()[0] == 0
    assert time.monotonic() - began < 10
    assert scene.is_as_before()


def test_a_gpu_that_stays_full_is_refused_with_the_server_running_again(scene):
    scene.engine.gpu(used=20_000)
    with pytest.raises(PartMissing, match=r"^The GPU is not free \(19\.5 of 24\.0 GB in use\)"):
        hand_over(scene, program="open('trained', 'w')")
    assert scene.is_as_before()
