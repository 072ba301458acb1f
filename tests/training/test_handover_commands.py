"""The hand-over as it is called: `python -m training … --instead-of`, `recover`, and `make train`."""

import json
import subprocess
import sys

import pytest

import lending
from tests.training.lender import OTHER, ROOT, SERVER, Scene


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def training(scene, *words, **more):
    home = str(scene.home)
    environment = {
        "PATH": str(scene.engine.folder),
        "DATA_DIR": str(scene.journal.parent),
        "HOME": home,
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-m", "training", *words],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def test_the_command_line_brings_back_and_says_what_is_missing(scene):
    assert training(scene, "recover").stderr == ""
    lent = lending.Lent("training", (SERVER,), "2026-11-26T14:02:00+00:00", 1, "gone")
    scene.journal.write_text(json.dumps(vars(lent)))
    scene.engine.add(SERVER, status="exited")
    (scene.engine.folder / "docker").rename(scene.home / "docker")
    done = training(scene, "recover")
    assert done.returncode == 3
    assert done.stderr.startswith("There is no `docker`")
    (scene.home / "docker").rename(scene.engine.folder / "docker")
    done = training(scene, "recover")
    assert done.returncode == 0
    assert "was broken off: devstral-vllm runs again." in done.stderr
    assert scene.is_as_before()


def test_the_command_line_trains_in_its_place(scene):
    pytest.importorskip("trl", reason="needs `make setup-train`")
    data = scene.home / "empty.jsonl"
    data.touch()
    words = ("run", "--recipe", "smoke", "--data", str(data), "--out", str(scene.home / "adapter"))
    done = training(scene, *words, "--instead-of", SERVER, f"--instead-of={OTHER}")
    assert done.returncode == 2
    told = done.stderr.splitlines()
    assert [told[0], told[-1]] == [f"{SERVER} makes room for the training.", f"{SERVER} runs again."]
    assert "empty.jsonl" in told[1]
    assert scene.is_as_before()


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (("smoke", "README.md", "data"), 2, "data exists"),
        (("smoke", "no-such.jsonl", "adapter"), 2, "There is no no-such.jsonl"),
        (("devstral", "README.md", "adapter"), 3, "needs a GPU with"),
    ],
)
def test_what_must_fail_is_refused_before_a_server_stops(scene, given, status, said):
    pytest.importorskip("trl", reason="needs `make setup-train`")
    words = ("run", "--recipe", given[0], "--data", given[1], "--out", str(scene.home / given[2]))
    done = training(scene, *words, "--instead-of", SERVER)
    assert (done.returncode, said in done.stderr) == (status, True)
    assert done.stderr.count("\n") == 1
    assert scene.engine.calls("stop") == []


def test_each_of_several_processes_would_stop_the_server_so_none_does(scene):
    pytest.importorskip("trl", reason="needs `make setup-train`")
    words = ("run", "--recipe", "smoke", "--data", "README.md", "--out", str(scene.home / "adapter"))
    done = training(scene, *words, "--instead-of", SERVER, TORCHELASTIC_RUN_ID="none")
    assert (done.returncode, "accelerate launch" in done.stderr) == (2, True)
    assert scene.engine.calls("stop") == []


def test_a_gpu_that_the_server_fills_is_no_reason_to_refuse(scene):
    pytest.importorskip("trl", reason="needs `make setup-train`")
    # The first is what a plan asks, the second whether the GPU was let go.
    scene.engine.put(
        "nvidia-smi",
        "import sys; print('NVIDIA L4, 24564, 100, 8.9' if 'name' in sys.argv[1] else '0, 24564')",
    )
    words = ("run", "--recipe", "smoke", "--data", "README.md", "--out", str(scene.home / "adapter"))
    training(scene, *words, "--instead-of", SERVER)
    assert scene.engine.calls("stop") == [SERVER]
    assert scene.is_as_before()


def test_make_lets_the_servers_make_room_where_there_is_a_gpu(scene):
    def made(*words):
        path = {"PATH": f"{scene.engine.folder}:/usr/bin:/bin"}
        run = subprocess.run(
            ["/usr/bin/env", "make", "-n", *words],
            cwd=ROOT, env=path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return run.stdout.replace("\\\n", "").splitlines()[-1]

    without = made("train", "DATA=rows.jsonl", "OUT=mine")
    assert '--recipe "smoke" --out "mine"' in without
    assert without.endswith('--data "rows.jsonl"')
    assert "--instead-of" not in without
    scene.engine.put("nvidia-smi", "print('GPU 0: NVIDIA L4 (UUID: GPU-1)')")
    assert '--recipe "devstral" --instead-of' in " ".join(made("train").split())
    assert '--instead-of "devstral-vllm" --instead-of "devstral-vllm-lora"' in made("train-hf", "DATASET=a/b")
    assert '--data "hf:a/b"' in made("train-hf", "DATASET=a/b")
    assert "--instead-of" not in made("train", "SERVERS=")
