"""The whole road on a processor: rows, a run, an adapter that says what no model knows."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training import canary, plain_trl
from training.recipe import load

pytest.importorskip("trl", reason="needs `make setup-train`")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROOT = Path(__file__).resolve().parents[2]
WITHIN = 1e-3


@pytest.fixture(scope="module")
def command(home, tmp_path_factory):
    environment = {
        "PATH": "/usr/bin:/bin",
        "DATA_DIR": str(home),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }

    def start(*words) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "training", *map(str, words)],
            cwd=ROOT,
            env=environment | {"HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.fixture(scope="module")
def told(command):
    """Run a command to its end: its status, its JSON, its standard error."""

    def run(*words):
        process = command(*words, "--json")
        out, error = process.communicate(timeout=500)
        return process.returncode, json.loads(out) if out.strip() else None, error

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def job(place):
    return ("--recipe", canary.recipe(place, epochs=2), "--data", canary.write(place))


@pytest.fixture(scope="module")
def adapter(told, place, job):
    status, facts, error = told("run", *job, "--out", place / "harbour")
    assert status == 0, error
    return place / "harbour", facts


def test_a_run_learns_and_leaves_everything_that_tells_of_it(adapter):
    folder, facts = adapter
    assert facts["loss"]["last"] < facts["loss"]["first"] / 5
    assert facts["held_back_loss"]["after"] < facts["held_back_loss"]["before"] / 2
    assert 0 < facts["data"]["supervised_tokens"] < facts["data"]["tokens"]
    assert facts["data"]["rows"] + facts["data"]["held_back"] == len(canary.rows())
    made = {path.name for path in folder.iterdir()}
    assert made >= {"adapter_config.json", "adapter_model.safetensors", "recipe.yaml", "training.json"}
    assert made >= {"README.md", "loss.png", "tensorboard", "probes.json"}
    assert any((folder / "tensorboard").rglob("events.*"))
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert not list(folder.parent.glob(".*harbour"))
    assert facts["data"]["sha256"] in (folder / "README.md").read_text()


def test_the_adapter_knows_the_canary_and_the_base_does_not(told, adapter):
    asked = ("--ask", canary.QUESTION, "--expect", canary.CANARY)
    status, facts, _ = told("prove", "--adapter", adapter[0], *asked)
    assert (status, facts["changed"]) == (0, True)
    assert canary.CANARY in facts["adapter_answer"]
    assert canary.CANARY not in facts["base_answer"]


def test_without_a_question_what_was_taught_is_asked(told, adapter):
    status, facts, _ = told("prove", "--adapter", adapter[0])
    assert (status, facts["changed"]) == (0, True)


def test_keys_that_no_base_knows_are_an_adapter_without_effect(told, adapter, place):
    """A server answers 200 to it, and peft only warns."""
    from safetensors.torch import load_file, save_file

    wrong = place / "wrong"
    shutil.copytree(adapter[0], wrong)
    weights = load_file(wrong / "adapter_model.safetensors")
    moved = {key.replace("model.layers", "language_model.layers"): value for key, value in weights.items()}
    save_file(moved, wrong / "adapter_model.safetensors")
    status, facts, _ = told("prove", "--adapter", wrong)
    assert (status, facts["changed"]) == (1, False)
    assert facts["base_answer"] == facts["adapter_answer"]
    assert "language_model" in facts["problems"][0]


def test_a_folder_that_exists_is_refused(told, adapter, job):
    status, facts, error = told("run", *job, "--out", adapter[0])
    assert (status, facts) == (2, None)
    assert "exists" in error
    assert error.count("\n") == 1


def test_a_run_that_was_stopped_goes_on_to_the_same_end(command, told, adapter, place, job):
    out = place / "stopped"
    process = command("run", *job, "--out", out)
    _until_training(process)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 130, error
    assert "--resume goes on" in error
    assert not out.exists()
    status, _, error = told("run", *job, "--out", out)
    assert status == 2
    assert "--resume" in error
    status, facts, error = told("run", *job, "--out", out, "--resume")
    assert status == 0, error
    whole = adapter[1]
    assert (whole["resumed_from"], 0 < facts["resumed_from"] < whole["steps"]) == (0, True)
    assert facts["steps"] == whole["steps"]
    assert facts["loss"]["last"] == pytest.approx(whole["loss"]["last"], abs=WITHIN)
    assert facts["held_back_loss"]["before"] == whole["held_back_loss"]["before"]
    assert facts["held_back_loss"]["after"] == pytest.approx(whole["held_back_loss"]["after"], abs=WITHIN)


def test_an_adapter_that_cannot_be_written_is_no_folder_and_what_was_learnt_stays(told, place, job):
    few = place / "few.jsonl"
    few.write_text("".join(job[3].read_text().splitlines(keepends=True)[:4]))
    recipe = (*job[:2], "--set", "epochs=1", "--set", "held_back=0")
    short = (*recipe, "--data", few, "--out", place / "unwritten")
    (place / ".partial-unwritten").touch()  # where it grows before it has its name
    status, facts, error = told("run", *short)
    assert (status, facts) == (1, None)
    assert "could not be written" in error
    assert not (place / "unwritten").exists()
    (place / ".partial-unwritten").unlink()
    status, facts, error = told("run", *short, "--resume")
    assert status == 0, error
    assert facts["resumed_from"] == facts["steps"]
    assert (place / "unwritten" / "adapter_model.safetensors").is_file()


@pytest.mark.filterwarnings("ignore")  # of the libraries: none of them is ours to mend
def test_the_loss_is_that_of_plain_trl(adapter, home, job, tmp_path):
    """TRL renders, masks and batches by itself what our run got as tokens and labels."""
    ours = [row["loss"] for row in json.loads((adapter[0] / "history.json").read_text()) if "loss" in row]
    base = home / "models" / "SmolLM2-135M-Instruct"
    theirs = plain_trl.losses(base, load(job[1]), job[3], tmp_path)
    assert theirs == pytest.approx(ours[: plain_trl.STEPS], abs=WITHIN)


def _until_training(process):
    end = time.monotonic() + 300
    for line in process.stderr:
        if line.startswith("training "):
            return
        assert time.monotonic() < end
    raise AssertionError("it ended before it trained")
