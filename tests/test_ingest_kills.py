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


def run(environment, logs, cwd, moment):
    """Run an ingest; with a moment ("loading" or "writing", seconds) kill it so long after that began.

    Returns whether it was killed.
    """
    ledger = Path(environment["DATA_DIR"]) / "memory" / "conversations.ledger-wal"
    words = [sys.executable, str(ROOT / "app.py"), "ingest", str(logs), "--json"]
    before = written(ledger)
    with subprocess.Popen(words, cwd=cwd, env=environment, stdout=-1, stderr=-1) as process:
        if moment is not None:
            phase, seconds = moment
            while phase == "writing" and process.poll() is None and written(ledger) == before:
                time.sleep(0.002)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
        process.communicate()
    assert process.returncode in {0, -9}
    return process.returncode == -9


def written(file):
    """When a file was last written, and how long it is."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


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
    run(environment, logs, tmp_path, None)
    chance, killed, number = random.Random(2), 0, 0
    while killed < KILLS and number < 4 * KILLS + 4:
        number += 1
        more(logs, number)
        # Most of a run is loading; what matters is from the first word in the ledger on.
        moment = ("loading", chance.uniform(0, 2)) if number % 5 == 0 else ("writing", chance.uniform(0, 2))
        killed += run(environment, logs, tmp_path, moment)
    print(f"{killed} of {number} runs were killed")
    assert killed == KILLS
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    (fresh / "models").symlink_to(model_cache)
    turns, told = state(data_dir, logs)
    assert turns == len(told) == (number + 1) * SESSIONS * TURNS
    assert (turns, told) == state(fresh, logs)
