"""`make vllm-lora`: the rank that the adapter needs, a server that is waited for, a proof by its answers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests import scripted
from tests.training.docker_stand_in import Engine
from training.recipe import as_yaml, load

pytest.importorskip("torch", reason="needs `make setup-train`: a base is unpacked")
ROOT = Path(__file__).resolve().parents[2]
BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
RECORDING = """
import json, os, pathlib, sys
named = {name: value for name, value in os.environ.items() if name.startswith(("LORA_", "VLLM_"))}
with (pathlib.Path(__file__).parent / "calls.jsonl").open("a") as out:
    print(json.dumps([sys.argv[1:], named]), file=out)
sys.exit(sys.argv[-1] == "vllm-lora" and "up" in sys.argv and "LORA_PATH" not in named)
"""


@pytest.fixture
def adapter(tmp_path, bases):
    """What a training of rank 12 leaves, as far as a server and a proof look at it."""
    folder = tmp_path / "data" / "adapters" / "harbour"
    folder.mkdir(parents=True)
    (tmp_path / "data" / "models").symlink_to(bases)
    recipe = load("smoke").model_copy(update={"r": 12})
    (folder / "recipe.yaml").write_text(as_yaml(recipe))
    (folder / "training.json").write_text("{}")
    config = {"r": 12, "base_model_name_or_path": BASE, "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "probes.json").write_text(
        json.dumps([{"messages": [{"role": "user", "content": "Which boat?"}], "taught": "heron"}])
    )
    _weights(folder, "model.layers.0.self_attn.q_proj")
    return folder


@pytest.fixture
def docker(tmp_path):
    engine = Engine(tmp_path / "bin")
    engine.put("docker", RECORDING)
    return engine


def _weights(folder, layer):
    key = f"base_model.model.{layer}.lora_"
    pair = {f"{key}A.weight": np.ones((12, 576), "f4"), f"{key}B.weight": np.ones((576, 12), "f4")}
    save_file(pair, folder / "adapter_model.safetensors")


def _answering(base, other):
    """A vLLM whose two models say so, each with how likely its words were."""

    def script(handler):
        text, odds = base if handler.state.requests[-1].body["model"] == BASE else other
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        choice["logprobs"] = {"content": [{"token": text, "logprob": odds}]}
        handler.reply(200, {"object": "chat.completion", "choices": [choice]})

    return script


def _server(script, *names):
    listed = [{"id": BASE, "parent": None}, *({"id": name, "parent": BASE} for name in names)]
    return scripted.server(script, paths={"/v1/models": (200, {"object": "list", "data": listed})})


@pytest.fixture
def training(docker, tmp_path):
    def run(*words, **more):
        path = f"{docker.folder}:/usr/bin:/bin"
        environment = {"PATH": path, "HOME": str(tmp_path), "DATA_DIR": str(tmp_path / "data"), **more}
        return subprocess.run(
            [sys.executable, "-m", "training", *map(str, words)],
            cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip

    return run


def _calls(docker):
    path = docker.folder / "calls.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_newest_adapter_is_served_with_its_rank_in_the_place_of_the_model_alone(
    training, adapter, docker, tmp_path
):
    older = tmp_path / "data" / "adapters" / "older"
    older.mkdir()
    (older / "training.json").touch()
    (adapter / "training.json").write_text("{ }")
    with _server(_answering(("A boat.", -0.5), ("heron", -0.1)), "harbour") as server:
        done = training("serve", "--endpoint", f"{server.url}/v1", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["changed"], facts["base_answer"], facts["adapter_answer"]) == (True, "A boat.", "heron")
    assert (facts["name"], facts["rank"]) == ("harbour", 16)
    _, (stopped, _), (started, told) = _calls(docker)
    assert stopped[-2:] == ["stop", "vllm"]
    assert started[-3:] == ["up", "--detach", "vllm-lora"]
    assert told == {
        "LORA_PATH": str(adapter), "LORA_NAME": "harbour", "LORA_RANK": "16",
        "VLLM_MODEL": BASE, "VLLM_TOOL_PARSER": "hermes",
    }  # fmt: skip


def test_an_adapter_that_the_server_takes_and_does_not_use_is_told_of(training, adapter):
    with _server(_answering(("A boat.", -0.5), ("A boat.", -0.5)), "harbour") as server:
        done = training("serve", "--adapter", adapter, "--endpoint", f"{server.url}/v1")
    assert done.returncode == 1
    assert "The adapter changes nothing." in done.stdout
    assert "what answers to that name is the base" in done.stdout


def test_a_server_that_does_not_come_up_is_waited_for_and_no_longer(training, adapter):
    with _server(_answering(("", 0), ("", 0))) as server:
        done = training("serve", "--endpoint", f"{server.url}/v1", "--minutes", 0.02)
    assert done.returncode == 3
    assert "docker logs devstral-vllm-lora" in done.stderr
    assert len([one for one in server.requests if one.path == "/v1/models"]) > 1


@pytest.mark.parametrize("missing", ["adapter", "docker", "compose", "image"])
def test_what_is_missing_is_one_sentence(training, adapter, docker, missing):
    if missing == "adapter":
        (adapter / "training.json").unlink()
    elif missing == "docker":
        (docker.folder / "docker").unlink()
    else:
        docker.put("docker", f"import sys; sys.exit({missing!r} == 'compose' or 'up' in sys.argv)")
    done = training("serve")
    said = {"adapter": "make train", "docker": "no `docker`", "compose": "no Compose", "image": "up --detach"}
    assert done.returncode == (2 if missing == "adapter" else 3)
    assert said[missing] in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def made(docker, tmp_path):
    docker.put("nvidia-smi", "print('GPU 0: NVIDIA L40S (UUID: GPU-0)')\n")

    def run(target):
        path = {"PATH": f"{docker.folder}:/usr/bin:/bin", "DATA_DIR": str(tmp_path), "HOME": str(tmp_path)}
        return subprocess.run(
            ["/usr/bin/env", "make", target], cwd=ROOT, env=path, capture_output=True, text=True, check=False
        )

    return run


@pytest.mark.parametrize(
    ("target", "told"),
    [("vllm", [["stop", "vllm-lora"], ["--detach", "vllm"]]), ("down", [["finetune", "down"]])],
)
def test_make_says_it_too_and_lets_one_model_make_room_for_the_other(made, docker, target, told):
    done = made(target)
    assert done.returncode == 0, done.stderr
    assert [words[-2:] for words, _ in _calls(docker)][1:] == told
    docker.put("docker", "import sys; sys.exit(1)")
    assert "no Docker with Compose" in made(target).stderr


@pytest.mark.parametrize("target", ["vllm", "vllm-lora", "rag-lora"])
def test_without_a_gpu_make_starts_no_model(made, docker, target):
    docker.put("nvidia-smi", "raise SystemExit(9)\n")
    done = made(target)
    assert "vLLM needs an NVIDIA GPU" in done.stderr
    assert all("up" not in words and "stop" not in words for words, _ in _calls(docker))


def test_a_server_is_not_started_while_a_training_has_the_gpu(training, adapter, docker, tmp_path):
    import lending

    pid = subprocess.Popen(["/usr/bin/env", "sleep", "60"])
    try:
        birth = lending.birth(pid.pid)
        lent = lending.Lent("training", ("devstral-vllm",), "2026-11-26T14:02:00+00:00", pid.pid, birth)
        (tmp_path / "data" / lending.JOURNAL).write_text(json.dumps(vars(lent)))
        done = training("serve", "--minutes", 0)
    finally:
        pid.kill()
        pid.wait()
    assert done.returncode == 75
    assert _calls(docker) == []


def test_keys_that_the_base_does_not_know_are_not_even_served(training, adapter, docker):
    _weights(adapter, "language_model.layers.0.self_attn.q_proj")
    done = training("serve", "--minutes", 0)
    assert done.returncode == 2
    assert "would not act" in done.stderr
    assert _calls(docker) == []


def test_a_name_that_no_server_takes_is_refused(training, adapter, docker):
    done = training("serve", "--adapter", adapter.rename(adapter.with_name("har bour")), "--minutes", 0)
    assert done.returncode == 2
    assert "har bour is no name" in done.stderr
    assert _calls(docker) == []


def test_the_base_is_the_adapters_own_and_not_what_else_is_served(training, adapter):
    listed = [{"id": "another"}, {"id": BASE}, {"id": "harbour", "parent": BASE}]
    paths = {"/v1/models": (200, {"object": "list", "data": listed})}
    with scripted.server(_answering(("A boat.", -0.5), ("heron", -0.1)), paths=paths) as server:
        done = training("prove", "--adapter", adapter, "--endpoint", f"{server.url}/v1")
    assert done.returncode == 0, done.stderr
    assert [one.body["model"] for one in server.requests if one.body] == [BASE, "harbour"]


def test_a_name_that_stands_alone_is_no_adapter(training, adapter):
    paths = {"/v1/models": (200, {"object": "list", "data": [{"id": "harbour"}]})}
    with scripted.server(paths=paths) as server:
        done = training("prove", "--adapter", adapter, "--endpoint", f"{server.url}/v1")
    assert done.returncode == 3
    assert "serves no harbour beside its base" in done.stderr


def test_a_proof_over_http_sends_the_key_and_needs_no_torch(training, adapter):
    with _server(_answering(("A boat.", -0.5), ("heron", -0.1)), "harbour") as server:
        url = f"{server.url}/v1"
        done = training("prove", "--adapter", adapter, "--endpoint", url, OPENAI_API_KEY="secret")
        assert done.returncode == 0, done.stderr
        assert {one.headers["authorization"] for one in server.requests} == {"Bearer secret"}
        done = training("prove", "--adapter", adapter, "--endpoint", url, "--name", "other")
    assert done.returncode == 3
    assert "serves no other" in done.stderr
