"""`kill -9` at any moment of `ingest` loses no turn and doubles none.

The suite kills a few times; `make test-kill` kills two hundred times.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import settings
from parts import Parts
from tests.sessions import session

ROOT = Path(__file__).resolve().parent.parent
KILLS = int(os.environ.get("INGEST_KILLS", "5"))
TURNS, SESSIONS = 6, 5


def start(environment, logs, cwd):
    words = [sys.executable, str(ROOT / "app.py"), "ingest", str(logs), "--json"]
    return subprocess.Popen(words, cwd=cwd, env=environment, stdout=-1, stderr=-1, text=True)


def more(logs, number):
    """What a day adds: new sessions, one that repeats an earlier one, and more turns in the one before."""
    first = number * SESSIONS * TURNS
    for which in range(SESSIONS):
        begin = first + which * TURNS
        session(logs, number * SESSIONS + which, range(begin, begin + TURNS))
    session(logs / "resumed", 900_000 + number, range(first, first + TURNS))
    if number:
        session(logs, number * SESSIONS - 1, range(first - TURNS, first + 2))


def state(data_dir, logs):
    """Every stored turn with all that is known of it, after a last undisturbed run."""
    with Parts(settings.load(data_dir=data_dir)) as parts:
        facts = parts.memories.ingest(logs)
        collection = parts.memories.collection
        points = collection.fetch(collection.ids({}), False)
        told = sorted((point["id"], sorted(point["payload"]["metadata"].items())) for point in points)
    return facts["turns"], told


@pytest.mark.timeout(KILLS * 20 + 200)
def test_a_killed_ingest_ends_in_the_same_state_as_an_undisturbed_one(
    environment, data_dir, tmp_path, model_cache
):
    logs = tmp_path / "logs"
    more(logs, 0)
    began = time.monotonic()
    with start(environment, logs, tmp_path) as process:
        process.communicate()
    assert process.returncode == 0
    duration = time.monotonic() - began
    chance, killed, number = random.Random(2), 0, 0
    for _ in range(KILLS):
        number += 1
        more(logs, number)
        with start(environment, logs, tmp_path) as process:
            try:
                # Most of a run is loading; the moments of writing are near its end.
                process.communicate(timeout=duration * chance.uniform(0.35, 1.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                killed += 1
        assert process.returncode in {0, -9}
    print(f"{killed} of {KILLS} runs were killed")
    assert killed >= KILLS / 4
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "models").symlink_to(model_cache)
    turns, told = state(data_dir, logs)
    assert turns == len(told) == (number + 1) * SESSIONS * TURNS
    assert (turns, told) == state(fresh, logs)
