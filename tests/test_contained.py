"""`make rag`: a stand-in for docker writes down what it is told; a scripted server is the proxy that came."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import scripted
from tests.training.docker_stand_in import Engine

ROOT = Path(__file__).resolve().parent.parent
MODEL = "mistralai/Devstral-Small-2-24B-Instruct-2512"
RECORDING = """
import json, os, pathlib, sys
names = ("DATA_DIR", "VIBE_HOME")
told = {name: os.environ[name] for name in names if name in os.environ}
folder = pathlib.Path(__file__).parent
with (folder / "calls.jsonl").open("a") as out:
    print(json.dumps([sys.argv[1:], told]), file=out)
said = " ".join(sys.argv[1:])
broken = folder / "broken"
if broken.exists() and broken.read_text() in said:
    sys.exit("what docker says")
print("28.2.2" if said.startswith("version") else "v2.39")
"""
OTHERS = {
    "vllm": ["vllm-lora", "rag-proxy-lora", "ollama", "rag-proxy-cpu"],
    "vllm-lora": ["vllm", "rag-proxy", "ollama", "rag-proxy-cpu"],
    "ollama": ["vllm", "rag-proxy", "vllm-lora", "rag-proxy-lora"],
}


@pytest.fixture
def docker(tmp_path):
    engine = Engine(tmp_path / "bin")
    engine.put("docker", RECORDING)
    engine.put("nvidia-smi", "print('NVIDIA L40S, 46068, 45000, 8.9')\n")
    return engine


@pytest.fixture
def behind():
    """The proxy that came up."""
    with scripted.server(pose="vllm", models=(MODEL, "harbour")) as server:
        yield server


@pytest.fixture
def rag(docker, tmp_path, behind):
    def run(*words, **more):
        environment = {
            "PATH": f"{docker.folder}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "DATA_DIR": str(tmp_path / "data"),
            "RAG_PROXY_PORT": str(urlsplit(behind.url).port),
        }
        done = subprocess.run(
            [sys.executable, str(ROOT / "app.py"), "rag", *words],
            cwd=tmp_path, env=environment | more, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done

    return run


def calls(docker):
    """What Compose was told to do, without how it was started."""
    lines = (docker.folder / "calls.jsonl").read_text().splitlines()
    told = [
        words[1:] for words, _ in map(json.loads, lines) if words[0] == "compose" and "version" not in words
    ]
    return [words[2:] if words[0] == "--env-file" else words for words in told]


def test_the_first_use_makes_keys_starts_all_and_prints_three_lines(rag, docker, tmp_path, behind):
    (tmp_path / ".env").write_text("MIN_SCORE=0.35\n")
    done = rag()
    assert done.returncode == 0, done.stderr
    kept = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    assert set(kept) == {"MIN_SCORE", "RAG_PROXY_API_KEY", "QDRANT_API_KEY", "RECUERDO_USER"}
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert min(len(kept["RAG_PROXY_API_KEY"]), len(kept["QDRANT_API_KEY"])) >= 40
    assert kept["RECUERDO_USER"] == f"{os.getuid()}:{os.getgid()}"
    lines = [line for line in done.stdout.splitlines() if line and line[0] not in "#m"]
    assert lines == [
        f'api_base = "http://localhost:{urlsplit(behind.url).port}/v1"',
        'api_key_env_var = "RAG_PROXY_API_KEY"',
        f"RAG_PROXY_API_KEY={kept['RAG_PROXY_API_KEY']}",
    ]
    assert MODEL in done.stdout
    told = json.loads((docker.folder / "calls.jsonl").read_text().splitlines()[-1])[0]
    assert told[1:3] == ["--env-file", str(tmp_path / ".env")]
    assert behind.requests[-1].headers["authorization"] == f"Bearer {kept['RAG_PROXY_API_KEY']}"


def test_a_second_use_keeps_the_keys_that_are_there(rag, tmp_path):
    assert rag().returncode == 0
    before = (tmp_path / ".env").read_bytes()
    assert rag().returncode == 0
    assert (tmp_path / ".env").read_bytes() == before


def test_a_key_of_ones_own_is_kept_and_several_owners_get_the_first_ones(rag, tmp_path):
    done = rag("--json", RAG_PROXY_API_KEY="ana:first,ben:second", QDRANT_API_KEY="q", RECUERDO_USER="7:7")
    assert not (tmp_path / ".env").exists()
    facts = json.loads(done.stdout)
    assert (facts["key"], facts["models"]) == ("first", [MODEL, "harbour"])


@pytest.mark.parametrize("model", OTHERS)
def test_one_model_makes_room_for_the_other(rag, docker, model):
    assert rag("--model", model, LLM_MODEL="qwen3:8b").returncode == 0
    stop, up, *more = calls(docker)
    assert stop[-5:] == ["stop", *OTHERS[model]]
    assert {"rag", "rag-lora", "rag-cpu"} <= set(stop)
    started = {
        "vllm": ["--profile", "rag", "up", "--detach", "--build"],
        "vllm-lora": [
            "--profile",
            "rag-lora",
            "up",
            "--detach",
            "--build",
            "--no-deps",
            "qdrant",
            "rag-proxy-lora",
        ],
        "ollama": ["--profile", "rag-cpu", "up", "--detach", "--build"],
    }
    assert up == started[model]
    pulled = [["exec", "-T", "ollama", "ollama", "pull", "qwen3:8b"]]
    assert more == (pulled if model == "ollama" else [])


def test_the_containers_get_the_data_folder_of_the_person_and_what_vibe_wrote(rag, docker, tmp_path):
    (tmp_path / ".vibe").mkdir()
    assert rag(DATA_DIR="data").returncode == 0
    told = json.loads((docker.folder / "calls.jsonl").read_text().splitlines()[-1])[1]
    assert told == {"DATA_DIR": str(tmp_path / "data"), "VIBE_HOME": str(tmp_path / ".vibe")}
    assert (tmp_path / "data").is_dir()


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ("no docker", "There is no Docker with Compose here"),
        ("compose version", "There is no Docker with Compose here"),
        ("--format", "Docker's engine does not answer"),
        ("no gpu", "vLLM needs an NVIDIA GPU"),
        ("small gpu", "The weights of Devstral Small 2 alone take 24.9 GB, and NVIDIA L4 has 24.2"),
        ("up --detach", "`docker compose --profile rag up --detach --build` failed"),
    ],
)
def test_what_is_missing_is_a_sentence_with_the_cure(rag, docker, broken, sentence):
    if broken == "no docker":
        (docker.folder / "docker").unlink()
    elif broken == "no gpu":
        (docker.folder / "nvidia-smi").unlink()
    elif broken == "small gpu":
        docker.put("nvidia-smi", "print('NVIDIA L4, 23034, 22000, 8.9')\n")
    (docker.folder / "broken").write_text(broken)
    done = rag()
    assert done.returncode == 3
    assert sentence in done.stderr
    assert re.search(r"`make (proxy|rag-cpu)|see above", done.stderr)


def test_a_smaller_model_of_ones_own_choice_is_not_refused(rag, docker):
    docker.put("nvidia-smi", "print('NVIDIA L4, 23034, 22000, 8.9')\n")
    assert rag(VLLM_MODEL="Qwen/Qwen3-8B").returncode == 0


def test_a_proxy_that_does_not_come_up_is_not_called_ready(rag, behind):
    behind.paths["/v1/models"] = (502, {"error": {"message": "away"}})
    done = rag("--seconds", "1")
    assert done.returncode == 3
    assert "docker logs recuerdo-rag-proxy" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("target", ["ingest", "ingest-clear", "stats"])
def test_the_memory_of_the_containers_is_reached_through_them(docker, target, tmp_path):
    """Where Qdrant runs in a container, `make ingest` may not fill another memory beside it."""
    environment = {"PATH": f"{docker.folder}:/usr/bin:/bin", "HOME": str(tmp_path), "DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        ["/usr/bin/env", "make", target],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words = {"ingest": ["ingest"], "ingest-clear": ["ingest", "--clear"], "stats": ["stats"]}[target]
    looked, ran = calls(docker)
    assert looked[-5:] == ["ps", "--quiet", "--status", "running", "qdrant"]
    assert ran == ["run", "--rm", "-T", "ingest", *words]
