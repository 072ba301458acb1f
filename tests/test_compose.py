"""docker-compose.yml, the Dockerfile: the person's own vLLM command stays, nothing is open without need."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
FLAGS = """
    mistralai/Devstral-Small-2-24B-Instruct-2512 --host 0.0.0.0 --port 8000 --max-model-len 81920
    --gpu-memory-utilization 0.95 --kv-cache-dtype fp8 --tool-call-parser mistral --enable-auto-tool-choice
    --enable-prefix-caching --enable-chunked-prefill
"""
PROXIES = {"rag-proxy": "vllm", "rag-proxy-lora": "vllm-lora", "rag-proxy-cpu": "ollama"}
OURS = {*PROXIES, "ingest", "finetune"}
KEYS = {"QDRANT_API_KEY": "a-key", "RAG_PROXY_API_KEY": "another"}
COMPOSE = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]


def services():
    """As Compose reads them where nothing is set."""
    text = (ROOT / "docker-compose.yml").read_text()
    return yaml.safe_load(re.sub(r"\$\{\w+:[-?]([^}]*)\}", r"\1", text))["services"]


def compose(*words, **environment):
    """What Compose says of the file; Debian's is older than one option, which is then left out."""
    text = (ROOT / "docker-compose.yml").read_text()
    if COMPOSE == ["docker-compose"]:
        text = text.replace("        bind: {create_host_path: false}\n", "")
    environment |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/home/dev"}
    return subprocess.run(
        [*COMPOSE, "--project-directory", ROOT, "--file", "-", *words],
        env=environment, input=text, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


HAS_COMPOSE = (
    bool(shutil.which(COMPOSE[0]))
    and not subprocess.run([*COMPOSE, "version"], capture_output=True, check=False).returncode
)


def test_the_services_are_those_that_were_asked_for():
    asked = {"vllm", "vllm-lora", "rag-proxy", "rag-proxy-lora", "qdrant", "finetune", "ingest"}
    assert services().keys() - asked == {"ollama", "rag-proxy-cpu"}
    assert asked <= services().keys()


def test_the_model_alone_is_served_by_the_persons_own_command():
    vllm = services()["vllm"]
    assert vllm["container_name"] == "devstral-vllm"
    assert vllm["image"] == "vllm/vllm-openai:nightly"
    assert (vllm["ipc"], vllm["ports"], vllm["restart"]) == ("host", ["11434:8000"], "unless-stopped")
    assert vllm["volumes"] == ["~/.cache/huggingface:/root/.cache/huggingface"]
    (gpus,) = vllm["deploy"]["resources"]["reservations"]["devices"]
    assert gpus == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert vllm["command"].split() == FLAGS.split()
    assert "http://127.0.0.1:8000/health" in vllm["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", ["VLLM_IMAGE", "VLLM_MODEL", "HF_CACHE"])
def test_image_model_and_cache_can_be_set(name):
    assert f"${{{name}:-" in (ROOT / "docker-compose.yml").read_text()


def test_with_an_adapter_it_is_the_same_and_the_adapter():
    alone, adapted = services()["vllm"], services()["vllm-lora"]
    differ = {key for key in alone if alone[key] != adapted[key]}
    assert differ == {"container_name", "profiles", "volumes", "command"}
    assert adapted["container_name"] == "devstral-vllm-lora"
    assert adapted["volumes"][:-1] == alone["volumes"]
    assert (adapted["volumes"][-1]["target"], adapted["volumes"][-1]["read_only"]) == ("/adapter", True)
    more = adapted["command"].removeprefix(alone["command"].strip())
    assert re.findall(r"--[\w-]+", more) == ["--enable-lora", "--lora-modules", "--max-lora-rank"]


def test_without_an_adapter_that_was_named_it_does_not_start():
    adapter = services()["vllm-lora"]["volumes"][-1]
    assert adapter["bind"] == {"create_host_path": False}
    assert not (ROOT / adapter["source"]).exists()


def test_one_gpu_is_never_asked_twice():
    profiles = [service["profiles"] for service in services().values() if "deploy" in service]
    every = [name for names in profiles for name in names]
    assert sorted(every) == ["finetune", "rag", "rag-lora", "vllm", "vllm-lora"]


@pytest.mark.parametrize(("proxy", "model"), PROXIES.items())
def test_a_proxy_waits_for_its_model_and_its_memory(proxy, model):
    found = services()[proxy]
    healthy = {"condition": "service_healthy"}
    assert found["depends_on"] == {"qdrant": healthy, model: healthy}
    assert f"http://{model}:" in found["environment"]["RAG_UPSTREAM_URL"]
    assert found["ports"] == ["11435:11435"]
    (profile,) = found["profiles"]
    assert {profile} <= set(services()[model]["profiles"]) & set(services()["qdrant"]["profiles"])
    assert all("healthcheck" in services()[name] for name in (proxy, model, "qdrant"))


def test_qdrant_is_reached_by_the_other_services_only_and_with_a_key():
    qdrant, networks = (
        services()["qdrant"],
        yaml.safe_load((ROOT / "docker-compose.yml").read_text())["networks"],
    )
    assert "ports" not in qdrant
    assert (qdrant["networks"], qdrant["expose"], networks["memory"]) == (
        ["memory"],
        ["6333"],
        {"internal": True},
    )
    beside = {name for name, one in services().items() if "memory" in one.get("networks", ())}
    assert beside == {"qdrant", "ingest", *PROXIES}
    text = (ROOT / "docker-compose.yml").read_text()
    assert text.count("${QDRANT_API_KEY:?") == 2
    assert "${RAG_PROXY_API_KEY:?" in text


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_own_containers_may_do_little(name):
    ours = services()[name]
    assert ours["user"] == "1000:1000"
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert ours["security_opt"] == ["no-new-privileges:true"]
    assert ours["pids_limit"]
    written = [one for one in ours["volumes"] if not one.get("read_only")]
    assert [one["target"] for one in written] == ["/data"]


def test_images_of_others_have_exact_tags_but_the_one_that_was_asked_for():
    dockerfile = (ROOT / "Dockerfile").read_text()
    bases = {base for base in re.findall(r"^FROM (\S+)", dockerfile, re.M) if ":" in base}
    images = {one["image"] for one in services().values()} - {"vllm/vllm-openai:nightly"}
    for image in bases | images:
        assert re.search(r":v?\d+\.\d+\.\d+", image), image
    assert re.findall(r"^USER (.+)", dockerfile, re.M) == ["1000:1000"]


def test_the_file_keeps_to_the_specification():
    checked = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*checked, "docker-compose.yml"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_linter_finds_nothing_in_the_dockerfile():
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not HAS_COMPOSE, reason="there is no Docker Compose here")
@pytest.mark.parametrize("profile", ["vllm", "vllm-lora", "rag", "rag-lora", "rag-cpu", "ingest", "finetune"])
def test_compose_itself_understands_it(profile):
    done = compose("--profile", profile, "config", **KEYS)
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)["services"]
    assert read[{"rag": "vllm", "rag-lora": "vllm-lora", "rag-cpu": "ollama"}.get(profile, profile)]
    if profile == "rag":
        assert read["rag-proxy"]["environment"]["QDRANT_API_KEY"] == KEYS["QDRANT_API_KEY"]
        assert read["qdrant"]["environment"]["QDRANT__SERVICE__API_KEY"] == KEYS["QDRANT_API_KEY"]


@pytest.mark.skipif(not HAS_COMPOSE, reason="there is no Docker Compose here")
@pytest.mark.parametrize("missing", KEYS)
def test_compose_starts_nothing_without_a_key(missing):
    done = compose("config", **{name: value for name, value in KEYS.items() if name != missing})
    assert done.returncode != 0
    assert missing in done.stderr
    assert "make rag" in done.stderr


def test_what_the_image_holds_is_all_that_the_program_needs_and_nothing_of_a_person(
    tmp_path, environment, data_dir
):
    """The build context, laid out as .dockerignore says, read-only; only DATA_DIR can be written."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    image = tmp_path / "app"
    image.mkdir()
    for path in [found for pattern in allowed for found in ROOT.glob(pattern)]:
        if path.is_dir():
            shutil.copytree(path, image / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, image)
    held = {path.name for path in image.iterdir()}
    assert not held & {"data", ".env", ".git", "tests", "mis_documentos", "benchmarks"}
    for path in [*image.rglob("*"), image]:
        path.chmod(0o555 if path.is_dir() else 0o444)

    def ran(*words):
        return subprocess.run(
            [sys.executable, *words], cwd=image, env=environment, capture_output=True, text=True, check=False
        )

    log = [
        {"role": "user", "content": "Which port has the proxy?"},
        {"role": "assistant", "content": "11435."},
    ]
    (data_dir / "log.jsonl").write_text(json.dumps({"messages": log}) + "\n")
    assert ran("app.py", "proxy", "--host", "0.0.0.0").returncode == 78  # noqa: S104  # refused without a key
    done = ran("app.py", "ingest", "--json")
    assert json.loads(done.stdout)["new"] == 1, done.stderr
    found = json.loads(ran("app.py", "recall", "Which port has the proxy?", "--json").stdout)
    assert "11435" in found["hits"][0]["text"]
    assert ran("-m", "training", "--help").returncode == 0
