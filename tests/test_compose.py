"""docker-compose.yml: the person's own vLLM command stays, and the adapter's server is the same and more."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FLAGS = """
    mistralai/Devstral-Small-2-24B-Instruct-2512 --host 0.0.0.0 --port 8000 --max-model-len 81920
    --gpu-memory-utilization 0.95 --kv-cache-dtype fp8 --tool-call-parser mistral --enable-auto-tool-choice
    --enable-prefix-caching --enable-chunked-prefill
"""


def services():
    """As Compose reads them where nothing is set."""
    text = (ROOT / "docker-compose.yml").read_text().replace("${HOME}", "/home/dev")
    return yaml.safe_load(re.sub(r"\$\{\w+:[-?]([^}]*)\}", r"\1", text))["services"]


def test_the_model_alone_is_served_by_the_persons_own_command():
    vllm = services()["vllm"]
    assert vllm["container_name"] == "devstral-vllm"
    assert vllm["image"] == "vllm/vllm-openai:nightly"
    assert (vllm["ipc"], vllm["ports"], vllm["restart"]) == ("host", ["11434:8000"], "unless-stopped")
    assert vllm["volumes"] == ["/home/dev/.cache/huggingface:/root/.cache/huggingface"]
    (gpus,) = vllm["deploy"]["resources"]["reservations"]["devices"]
    assert gpus == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert vllm["command"].split() == FLAGS.split()
    assert "http://127.0.0.1:8000/health" in vllm["healthcheck"]["test"][-1]


def test_with_an_adapter_it_is_the_same_and_the_adapter():
    alone, adapted = services()["vllm"], services()["vllm-lora"]
    differ = {key for key in alone if alone[key] != adapted[key]}
    assert differ == {"container_name", "profiles", "volumes", "command"}
    assert adapted["container_name"] == "devstral-vllm-lora"
    assert adapted["volumes"][:-1] == alone["volumes"]
    assert adapted["volumes"][-1].endswith(":/adapter:ro")
    more = adapted["command"].removeprefix(alone["command"].strip())
    assert re.findall(r"--[\w-]+", more) == ["--enable-lora", "--lora-modules", "--max-lora-rank"]


@pytest.mark.parametrize("told", ["LORA_PATH", "LORA_NAME", "LORA_RANK"])
def test_the_adapter_is_the_one_that_was_asked_for_and_never_a_default(told):
    assert f"${{{told}:?" in (ROOT / "docker-compose.yml").read_text()


def test_one_gpu_is_never_asked_twice():
    profiles = [service["profiles"] for service in services().values() if "deploy" in service]
    assert sorted(profiles) == [["vllm"], ["vllm-lora"]]
