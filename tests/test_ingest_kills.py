"""`kill -9` at any moment of `ingest` loses no turn and doubles none.

The suite kills a few times; `make test-kill` kills two hundred times.
"""

import math
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


def run(environment, logs, cwd, limit):
    """How many seconds an ingest took; None for one that was killed after so many."""
    words = [sys.executable, str(ROOT / "app.py"), "ingest", str(logs), "--json"]
    began = time.monotonic()
    with subprocess.Popen(words, cwd=cwd, env=environment, stdout=-1, stderr=-1) as process:
        try:
            process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None
    assert process.returncode == 0
    return time.monotonic() - began


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


@pytest.mark.timeout(KILLS * 40 + 300)
def test_a_killed_ingest_ends_in_the_same_state_as_an_undisturbed_one(
    environment, data_dir, tmp_path, model_cache
):
    logs = tmp_path / "logs"
    more(logs, 0)
    # The first run compiles rules and models; how long a run takes is learnt from the last whole one.
    run(environment, logs, tmp_path, None)
    chance, killed, number, duration = random.Random(2), 0, 0, math.inf
    while killed < KILLS and number < 4 * KILLS + 4:
        number += 1
        more(logs, number)
        # Most of a run is loading; the moments of writing are near its end.
        limit = None if duration == math.inf else duration * chance.uniform(0.35, 1.1)
        took = run(environment, logs, tmp_path, limit)
        killed += took is None
        duration = took or duration
    print(f"{killed} of {number} runs were killed")
    assert killed == KILLS
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "models").symlink_to(model_cache)
    turns, told = state(data_dir, logs)
    assert turns == len(told) == (number + 1) * SESSIONS * TURNS
    assert (turns, told) == state(fresh, logs)
