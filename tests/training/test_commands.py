"""`python -m training` as a person and a script use it: facts, mistakes, refusals."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import sessions
from tests.training import canary

pytest.importorskip("trl", reason="needs `make setup-train`")
ROOT = Path(__file__).resolve().parents[2]
TURNS = [
    (str(number), f"Which tide suits bird {number}?", f"Bird {number} feeds at low tide.")
    for number in (1, 2, 3)
]


@pytest.fixture(scope="module")
def training(home):
    def run(*words, **environment):
        return subprocess.run(
            [sys.executable, "-m", "training", *map(str, words)],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "DATA_DIR": str(home),
                "OMP_NUM_THREADS": "1",
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(scope="module")
def logs(home):
    for number, turn in enumerate(TURNS, start=1):
        sessions.write(home / "logs", number, [turn], "/home/dev/birds")
    return home / "logs"


def test_rows_are_made_of_logs(training, logs, tmp_path):
    done = training("rows", "--logs", logs, "--out", tmp_path / "rows.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == len(TURNS)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert {row["messages"][-1]["content"] for row in rows} == {answer for _, _, answer in TURNS}


def test_only_sessions_that_are_listed_become_rows(training, logs, tmp_path):
    wanted = json.loads(next(logs.rglob("meta.json")).read_text())["session_id"]
    (tmp_path / "ids").write_text(f"{wanted}\n")
    out = tmp_path / "rows.jsonl"
    done = training("rows", "--logs", logs, "--out", out, "--sessions", tmp_path / "ids", "--json")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["session"] for line in out.read_text().splitlines()] == [wanted]


def test_a_plan_of_logs_says_everything_and_trains_nothing(training, home, logs):
    done = training("plan", "--recipe", "smoke", "--data", logs, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert set(facts) >= {
        "rows",
        "tokens",
        "dropped",
        "truncated",
        "supervised_share",
        "memory_gb",
        "fits",
        "advice",
    }
    assert facts["rows"] == len(TURNS)
    assert 0 < facts["supervised_share"] < 1
    assert facts["fits"] is True
    assert not (home / "adapters").exists()


def test_a_plan_for_a_person_shows_what_is_learnt(training, tmp_path):
    done = training("plan", "--recipe", "smoke", "--data", canary.write(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "memory, estimated" in done.stdout
    assert "<|im_start|>assistant\n»The" in done.stdout


def test_what_was_forgotten_is_in_no_run(training, bases, logs, tmp_path):
    out = tmp_path / "rows.jsonl"
    assert training("rows", "--logs", logs, "--out", out).returncode == 0
    session = json.loads(out.read_text().splitlines()[0])["session"]
    other = tmp_path / "other"
    (other / "memory").mkdir(parents=True)
    (other / "models").symlink_to(bases)
    (other / "memory" / "forgotten.jsonl").write_text(json.dumps({"session": session}) + "\n")
    done = training("plan", "--recipe", "smoke", "--data", out, "--json", DATA_DIR=str(other))
    facts = json.loads(done.stdout)
    assert facts["dropped"] == {"forgotten": 1}
    assert facts["rows"] == len(TURNS) - 1


def test_a_base_with_another_template_is_told_of(training, bases, tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    for file in (bases / "SmolLM2-135M-Instruct").iterdir():
        (base / file.name).symlink_to(file)
    template = base / "chat_template.jinja"
    text = template.read_text() + "!"
    template.unlink()
    template.write_text(text)
    data = canary.write(tmp_path)
    done = training("plan", "--recipe", "smoke", "--data", data, "--set", f"base={base}", "--json")
    assert done.returncode == 0, done.stderr
    assert "The base's own template differs from ours: '' is '!' there." in json.loads(done.stdout)["advice"]


def test_the_recipe_names_the_folder_where_nobody_does(training, bases, tmp_path):
    (tmp_path / "models").symlink_to(bases)
    (tmp_path / "adapters" / "smoke").mkdir(parents=True)
    done = training("run", "--recipe", "smoke", "--data", canary.write(tmp_path), DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "adapters/smoke exists" in done.stderr


@pytest.mark.parametrize("recipe", ["devstral", "gpt-oss"])
def test_a_large_recipe_is_refused_with_numbers_on_a_processor(training, tmp_path, recipe):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    done = training("run", "--recipe", recipe, "--data", canary.write(tmp_path), "--out", tmp_path / "out")
    assert done.returncode == 3
    assert "GB" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_earlier_runs_left_in_the_data_folder_is_not_trained_on(training, bases, tmp_path):
    (tmp_path / "models").symlink_to(bases)
    (tmp_path / "training").mkdir()
    canary.write(tmp_path / "training")
    done = training("plan", "--recipe", "smoke", "--data", tmp_path, DATA_DIR=str(tmp_path))
    assert done.returncode == 2
    assert "make pull-local" in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("run", "--recipe", "smok", "--data", "x", "--out", "y"), 2, "There is no recipe smok"),
        (
            ("run", "--recipe", "smoke", "--data", "nowhere.jsonl", "--out", "y"),
            2,
            "There is no nowhere.jsonl",
        ),
        (("plan", "--recipe", "smoke", "--data", "x", "--set", "lora_aplha=3"), 2, "lora_alpha"),
        (("prove", "--adapter", "nowhere"), 2, "nowhere holds no adapter"),
        (("prove", "--adapter", "nowhere", "--expect", "x"), 2, "--ask"),
        (("rows", "--logs", "nowhere", "--out", "rows.jsonl"), 2, "nowhere"),
        (("fly",), 2, "fly"),
    ],
)
def test_a_mistake_is_one_sentence(training, words, status, said):
    done = training(*words)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
