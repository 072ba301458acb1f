"""Two processes that train together learn what one does with batches twice as large."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.training import canary

pytest.importorskip("trl", reason="needs `make setup-train`")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
ROOT = Path(__file__).resolve().parents[2]
TOGETHER = (
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--local_addr",
    "127.0.0.1",
    "--nproc_per_node",
    "2",
)
ROWS = 20
# The order of additions in bf16, grown over four steps; each for itself they are 0.2 apart.
WITHIN = 0.02


@pytest.fixture(scope="module")
def start(home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in canary.rows()[:ROWS]))
    recipe = canary.recipe(folder, epochs=1, held_back=0.2)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "DATA_DIR": str(home)}
    environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

    def run(name, *changes, launched=()):
        words = [
            "-m",
            "training",
            "run",
            "--recipe",
            recipe,
            "--data",
            data,
            "--out",
            folder / name,
            "--json",
        ]
        words = [
            sys.executable,
            *launched,
            *words,
            "--json",
            *(word for one in changes for word in ("--set", one)),
        ]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(list(map(str, words)), cwd=ROOT, env=environment, text=True, **pipes)

    return run, folder


def test_two_processes_learn_what_one_does_with_twice_the_batch(start):
    run, folder = start
    steps = []
    for name, batch, launched in (("one", 4, ()), ("two", 2, TOGETHER)):
        process = run(name, f"batch_size={batch}", launched=launched)
        told, error = process.communicate(timeout=300)
        assert process.returncode == 0, error
        assert json.loads(told)["steps"] == ROWS * 0.8 / 4
        steps.append(json.loads((folder / name / "history.json").read_text()))
    one, two = ([row for row in history if "loss" in row] for history in steps)
    assert two[0]["grad_norm"] == pytest.approx(one[0]["grad_norm"], rel=0.02)
    assert [row["loss"] for row in two] == pytest.approx([row["loss"] for row in one], abs=WITHIN)
    assert steps[0][0]["eval_loss"] == pytest.approx(steps[1][0]["eval_loss"], abs=1e-3)


def test_one_that_is_told_to_stop_stops_both(start):
    run, folder = start
    process = run("stopped", "batch_size=1", "epochs=50", launched=TOGETHER)
    end = time.monotonic() + 200
    for line in process.stderr:
        if line.startswith("training "):
            break
        assert time.monotonic() < end
    workers = _workers(process.pid)
    os.kill(workers[1], signal.SIGTERM)
    try:
        _, error = process.communicate(timeout=100)
    finally:
        for pid in (*workers, process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert error.count("--resume goes on") == 2, error
    assert list(folder.glob(".training-stopped/checkpoint-*"))


def _workers(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
