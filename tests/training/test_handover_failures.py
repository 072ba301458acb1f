"""Whatever fails while the GPU is lent, the server runs again: at once, or after a kill with the next start.

The suite injects each kind of failure once, at a moment drawn by chance; `make test-handover` a hundred.
"""

import os
import random
import resource
import signal
import time
from collections import Counter

import pytest

from tests.training.lender import OTHER, SERVER, Scene

HANDOVERS = int(os.environ.get("HANDOVERS", "0"))
STATES = ("draining", "stopped", "training", "restarting")
# Long enough that a look at the journal does not miss them.
LASTING = ("draining", "training")
# Of a whole hand-over on a busy machine.
SECONDS, CALLS = 1.6, 8
WAYS = ("instead_of", "lent")


def kill_at(state):
    def inject(scene, chance):
        running = scene.begin(chance.choice(WAYS))
        scene.until(state, running)
        time.sleep(chance.uniform(0, 0.05))
        running.kill()

    return inject


def kill_whenever(scene, chance):
    running = scene.begin(chance.choice(WAYS))
    time.sleep(chance.uniform(0.1, SECONDS))
    running.kill()


def kill_the_recovery_too(scene, chance):
    kill_at(chance.choice(STATES))(scene, chance)
    running = scene.begin("recover")
    time.sleep(chance.uniform(0.1, 0.8))
    running.kill()


def kill_both(scene, chance):
    running = scene.begin("instead_of", seconds=5)
    running.kill(running.child())


def kill_the_training(scene, chance):
    running = scene.begin("instead_of", seconds=5)
    child = running.child()
    time.sleep(chance.uniform(0, 0.3))
    os.kill(child, signal.SIGKILL)
    status, said = running.end()
    assert status == 128 + signal.SIGKILL
    assert "was killed" in said


def signals(count):
    def inject(scene, chance):
        running = scene.begin(chance.choice(WAYS), seconds=chance.choice([0.3, 5]))
        time.sleep(chance.uniform(0.3, SECONDS))
        for _ in range(count):
            running.process.send_signal(chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
            time.sleep(chance.uniform(0, 0.2))
        return running.end()[1]

    return inject


def docker_once(kind):
    def inject(scene, chance):
        scene.engine.fault(kind, call=chance.randint(1, CALLS), seconds=chance.uniform(0.2, 1))
        return scene.begin(chance.choice(WAYS)).end()[1]

    return inject


def docker_from_then_on(kind):
    def inject(scene, chance):
        scene.engine.fault(kind, call=chance.randint(1, CALLS), times=1000)
        status, said = scene.begin(chance.choice(WAYS)).end()
        assert status in {0, 3}, said
        return said

    return inject


def docker_and_kill(scene, chance):
    kind = chance.choice(["fail", "hang", "late", "slow", "nonsense"])
    scene.engine.fault(kind, call=chance.randint(1, CALLS), seconds=1)
    kill_at(chance.choice(STATES))(scene, chance)


def a_training_that_fails(scene, chance):
    status, _ = scene.begin(chance.choice(WAYS), status=1).end()
    assert status == 1


def a_damaged_journal(scene, chance):
    running = scene.begin(chance.choice(WAYS), seconds=1)
    scene.until(chance.choice(LASTING), running)
    damage = chance.choice(["", "{", "[]", '{"state": "serving"}', "\0" * 300])
    with running.frozen() as alive:
        if alive and scene.journal.exists():
            scene.journal.write_text(damage)
    return running.end()[1]


def no_place_for_the_journal(scene, chance):
    """A folder where the new journal is written first."""
    running = scene.begin(chance.choice(WAYS), seconds=0.5)
    scene.until(chance.choice(LASTING), running)
    with running.frozen() as alive:
        if alive:
            partial = scene.journal.with_suffix(".partial")
            partial.unlink(missing_ok=True)  # where one was just being written
            partial.mkdir()
    return running.end()[1]


def a_full_disk(scene, chance):
    running = scene.begin(chance.choice(WAYS), seconds=0.5)
    scene.until(chance.choice(["serving", *LASTING]), running)
    if running.process.poll() is None:
        limits = (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, limits)
    return running.end()[1]


def a_gpu_that_stays_full(scene, chance):
    scene.engine.gpu(used=20_000)
    status, said = scene.begin(chance.choice(WAYS)).end()
    assert status == 3
    assert "The GPU is not free (19.5 of 24.0 GB in use)" in said
    assert scene.seen == set()


FAILURES = {f"kill at {state}": kill_at(state) for state in STATES} | {
    "kill whenever": kill_whenever,
    "kill the recovery too": kill_the_recovery_too,
    "kill both": kill_both,
    "kill the training": kill_the_training,
    "a signal": signals(1),
    "two signals": signals(2),
    "four signals": signals(4),
    "docker fails once": docker_once("fail"),
    "docker hangs once": docker_once("hang"),
    "docker acts, then hangs": docker_once("late"),
    "docker is slow": docker_once("slow"),
    "docker talks nonsense": docker_once("nonsense"),
    "docker goes away": docker_from_then_on("refuse"),
    "docker hangs from then on": docker_from_then_on("hang"),
    "docker and kill": docker_and_kill,
    "a training that fails": a_training_that_fails,
    "a damaged journal": a_damaged_journal,
    "no place for the journal": no_place_for_the_journal,
    "a full disk": a_full_disk,
    "a GPU that stays full": a_gpu_that_stays_full,
}
KILLING = {name for name in FAILURES if "kill" in name and name != "kill the training"}
AGAIN = Counter()


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", range(HANDOVERS or len(FAILURES)))
def test_after_every_failure_the_server_runs_again(tmp_path, number):
    name = list(FAILURES)[number % len(FAILURES)]
    scene = Scene(tmp_path)
    said = FAILURES[name](scene, random.Random(number))
    at_once = scene.is_as_before()
    if not at_once and name not in KILLING:
        # What cannot be brought back is noted, and said.
        assert scene.journal.exists()
        assert f"`docker start {SERVER}`" in said
    scene.engine.mend()
    if not at_once:
        status, said = scene.begin("recover").end()
        assert status == 0, said
    AGAIN["at once" if at_once else "with the next start"] += 1
    time.sleep(0.3)  # for a stop that is still under way
    assert scene.is_as_before()
    assert scene.engine.status(OTHER) == "exited"
    print(f"{name}: {dict(AGAIN)}")
