"""`kill -9` at any moment of `index` leaves a whole index, the old one or the new one.

The suite kills a few times; `make test-kill` kills a hundred times.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import settings
from parts import Parts
from stores.versions import Versions

ROOT = Path(__file__).resolve().parent.parent
KILLS = int(os.environ.get("KILLS", "6"))
QUESTION = "Which colour code has the machine?"


def start(environment, folder, cwd):
    words = [sys.executable, str(ROOT / "app.py"), "index", "--documents", str(folder), "--json"]
    return subprocess.Popen(words, cwd=cwd, env=environment, stdout=-1, stderr=-1, text=True)


def state(folder, number):
    """The folder of round `number`: every file names its round, so that a mixture would show."""
    for file in range(30):
        (folder / f"machine-{file}.txt").write_text(
            f"Machine {file} is painted in colour code R{number:04}.\n"
        )


def rounds(place, embedder):
    """The rounds that the passages of the newest version speak of."""
    version = Versions(place).newest()
    rows = [json.loads(line) for line in (version.folder / "passages.jsonl").read_text().splitlines()]
    assert len(rows) == 30
    return {row["text"].split("code ")[1].rstrip(".") for row in rows}


@pytest.mark.timeout(KILLS * 30 + 120)
def test_a_killed_index_is_the_old_or_the_new_one(environment, data_dir, tmp_path, embedder):
    folder = tmp_path / "machines"
    folder.mkdir()
    state(folder, 0)
    began = time.monotonic()
    with start(environment, folder, tmp_path) as process:
        process.communicate()
    assert process.returncode == 0
    duration = time.monotonic() - began
    (place,) = (data_dir / "documents").iterdir()
    chance, killed, last = random.Random(1), 0, "R0000"
    for number in range(1, KILLS + 1):
        state(folder, number)
        # Most of a run is loading; the moments of writing, near its end, are tried more often.
        moment = duration * chance.choice([chance.random(), chance.uniform(0.7, 1.1)])
        with start(environment, folder, tmp_path) as process:
            try:
                process.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                killed += 1
        (found,) = rounds(place, embedder)
        assert found in {last, f"R{number:04}"}
        last = found
    print(f"{killed} of {KILLS} runs were killed; each left a whole index")
    assert killed >= KILLS / 3
    # The next start goes on from there as if nothing had happened.
    with Parts(settings.load(documents_dir=folder, data_dir=data_dir)) as parts:
        report = parts.refresh()
        assert (report.files, report.passages, report.problems) == (30, 30, [])
        assert f"R{KILLS:04}" in parts.find(QUESTION, 1)[0].page_content
    assert not list(place.glob("partial-*"))


def test_killed_at_each_step_of_publishing(tmp_path):
    """The same at every system call that changes the disk, one after the other: none leaves a mixture."""
    versions = Versions(tmp_path / "store")
    with versions.writing():
        versions.publish({}, lambda folder: (folder / "data").write_text("old"))
    for step in range(1, 40):
        run = subprocess.run(
            [sys.executable, "-c", DIE_AT, str(versions.root), str(step)], cwd=ROOT, check=False, timeout=60
        )
        newest = versions.newest()
        assert (newest.folder / "data").read_text() in {"old", "new"}
        if run.returncode == 0:
            assert step > 6
            assert (newest.folder / "data").read_text() == "new"
            return
        assert run.returncode == -signal.SIGKILL
        with versions.writing():
            versions.publish({}, lambda folder: (folder / "data").write_text("old"))
    pytest.fail("publishing never came to its end")


DIE_AT = """
import os, signal, sys
from pathlib import Path
from stores.versions import Versions
left = int(sys.argv[2])
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}
def die(event, arguments):
    global left
    writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if event in CHANGES or writing:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
versions = Versions(Path(sys.argv[1]))
with versions.writing():
    sys.addaudithook(die)
    versions.publish({}, lambda folder: (folder / "data").write_text("new"))
"""
