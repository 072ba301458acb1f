"""What doctor says of this machine: who holds the model server's port, the GPU, the adapter."""

import json
import os
from contextlib import contextmanager, suppress
from socket import AF_INET, AF_INET6, SHUT_RDWR, create_server
from threading import Event, Thread

import pytest

import lending
from checks.adapter import adapter
from checks.machine import gpu, port
from checks.serving import Server, endpoint
from checks.told import Told
from models.endpoint import Wanted
from models.probe import Found, probe
from tests import scripted
from tests.training.docker_stand_in import Engine

LARGE = "print('NVIDIA L40S, 46068')"
LORA = "devstral-vllm-lora"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A PATH with nothing on it but what a test puts there."""
    engine = Engine(tmp_path / "bin")
    (engine.folder / "docker").unlink()
    monkeypatch.setenv("PATH", str(engine.folder))
    return engine


@contextmanager
def listener(said, host="127.0.0.1", number=0, drips=False):
    """A program that says something to whoever connects, then hangs up, or never ends; its port."""
    closing = Event()
    family = AF_INET6 if ":" in host else AF_INET

    def accept():
        with suppress(OSError):
            while True:
                Thread(target=speak, args=(listening.accept()[0],), daemon=True).start()

    def speak(client):
        with suppress(OSError), client:
            client.send(said)
            while drips and not closing.wait(0.2):
                client.send(b"a")

    with create_server((host, number), family=family) as listening:
        Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        closing.set()
        listening.shutdown(SHUT_RDWR)


def number(server):
    return int(server.url.rpartition(":")[2])


def test_a_server_that_drips_its_answer_is_given_up(tmp_path):
    with listener(b"HTTP/1.1 200 OK\r\nx-a: ", drips=True) as taken:
        told = endpoint(Server(Wanted(tmp_path, f"http://ana:hunter2@127.0.0.1:{taken}"), seconds=1))
    assert "no answer within 1 s" in told.detail
    assert "hunter2" not in told.detail
    assert told.fix


def test_a_port_that_nobody_holds_is_free(machine):
    with scripted.server() as gone:
        free = number(gone)
    assert port(free) == Told("free")


@pytest.mark.parametrize(("pose", "said"), [("vllm", "vLLM"), ("ollama", "Ollama"), (None, "a model server")])
def test_a_model_server_may_hold_the_port(machine, pose, said):
    with scripted.server(pose=pose) as server:
        told = port(number(server))
    assert (told.detail, told.fix) == (f"{said} on 127.0.0.1", None)


def test_ollama_is_in_the_way_where_vllm_could_be(machine):
    with scripted.server(pose="ollama") as server:
        machine.put("docker", "")
        assert port(number(server)).fix is None
        machine.put("nvidia-smi", LARGE)
        told = port(number(server))
        assert "where `make vllm` puts vLLM" in told.detail
        assert "systemctl stop ollama" in told.fix
        assert "make proxy" in told.fix
        (machine.folder / "docker").unlink()
        assert port(number(server)).fix is None


def test_two_servers_on_one_port_are_chance(machine):
    with scripted.server(pose="ollama") as server, listener(b"no", "::1", number(server)):
        told = port(number(server))
    assert told.detail.startswith("Ollama on 127.0.0.1 and no model server on ::1")
    assert "chance" in told.detail
    assert told.fix == "end one of the two"


def test_another_program_on_the_port_is_named(machine):
    with listener(b"220 mail ready\r\n") as taken:
        told = port(taken)
    assert f"process {os.getpid()} (" in told.detail
    assert "OPENAI_BASE_URL" in told.fix
    with scripted.server(paths={"/v1/models": (200, "hello")}) as site:
        assert "does not answer as a model server" in port(number(site)).detail


def test_a_container_that_still_loads_its_model_is_waited_for(machine):
    with listener(b"no") as taken:
        machine.put("docker", f"import sys\nprint('devstral-vllm' * ('publish={taken}' in sys.argv))")
        told = port(taken)
    assert "the container devstral-vllm holds it" in told.detail
    assert "docker logs devstral-vllm" in told.fix


@pytest.mark.parametrize(
    ("program", "said", "fix"),
    [
        (LARGE, "NVIDIA L40S (48.3 GB), no training has it", None),
        ("print('NVIDIA A100, MIG, 32510')", "FP8 weights alone take 24.9 GB", None),
        ("print('NVIDIA GB10, [N/A]')", "NVIDIA GB10 (memory not told)", None),
        ("print('NVIDIA GeForce RTX 4090, 24564')", "24.9 GB of Devstral's FP8 weights do not fit", "Ollama"),
        ("print('NVIDIA L4, 23034\\nNVIDIA L40S, 46068')", "NVIDIA L4 (24.2 GB), NVIDIA L40S", None),
        ("print('No devices were found')", "no NVIDIA GPU", "README"),
        ("raise SystemExit('driver mismatch')", "driver mismatch", "nvidia-smi"),
        (None, "no NVIDIA GPU", "README"),
    ],
    ids=["large", "middling", "shared", "small", "two", "none", "broken", "no driver"],
)
def test_what_the_gpu_has_room_for_is_said(machine, tmp_path, program, said, fix):
    if program:
        machine.put("nvidia-smi", program)
    told = gpu(tmp_path / "gpu.json")
    assert said in told.detail
    assert (told.fix is None) if fix is None else fix in told.fix


def test_a_gpu_that_a_training_left_without_its_server_is_a_fault(machine, tmp_path):
    machine.put("nvidia-smi", LARGE)
    lent = lending.Lent("training", ("devstral-vllm",), "2026-11-26T14:02:00+00:00", 1, "gone")
    (tmp_path / "gpu.json").write_text(json.dumps(vars(lent)))
    told = gpu(tmp_path / "gpu.json")
    assert "broken off" in told.detail
    assert told.fix == "run `python -m training recover`"


def made(folder, name, rank, when):
    """An adapter as far as doctor looks at it."""
    (folder / name).mkdir(parents=True)
    (folder / name / "adapter_config.json").write_text(json.dumps({"r": rank}))
    (folder / name / "training.json").write_text("{}")
    os.utime(folder / name / "training.json", (when, when))


def serving(*names):
    """What a vLLM that serves these adapters is found as."""
    entries = [{"id": "base", "parent": None}, *({"id": name, "parent": "base"} for name in names)]
    with scripted.server(pose="vllm", paths={"/v1/models": (200, {"data": entries})}) as server:
        return probe(server.url)


def test_the_newest_adapter_is_served_or_its_command_is_named(machine, tmp_path):
    assert adapter(serving(), tmp_path).detail == "none yet: `make train`"
    made(tmp_path, "old", 8, 1)
    made(tmp_path, "new", 24, 2)
    well = adapter(serving("new"), tmp_path)
    assert (well.detail, well.fix) == ("new, of rank 32 as vLLM counts, is served", None)
    ill = adapter(serving("old"), tmp_path)
    assert "old is served" in ill.detail
    assert ill.fix == "run `make vllm-lora`"
    for found, said in ((serving(), "is not served"), (Found("u", "ollama"), "export")):
        told = adapter(found, tmp_path)
        assert said in told.detail
        assert told.fix is None


@pytest.mark.parametrize(
    ("status", "given", "fits"),
    [
        ("running", ["--max-lora-rank", "16"], False),
        ("restarting", ["--max-lora-rank=16"], False),
        ("running", ["--max-lora-rank", "32"], True),
        ("exited", ["--max-lora-rank", "16"], True),
        ("running", [], True),
    ],
)
def test_an_adapter_of_a_higher_rank_than_the_container_takes_is_a_fault(
    machine, tmp_path, status, given, fits
):
    made(tmp_path, "new", 32, 1)
    told = [{"State": {"Status": status}, "Args": ["serve", "base", *given]}]
    machine.put("docker", f"import sys\nprint({json.dumps(told)!r} if sys.argv[-1] == '{LORA}' else '[]')")
    found = adapter(serving("new"), tmp_path)
    assert (found.fix is None) is fits
    assert fits or "takes 16" in found.detail


@pytest.mark.parametrize("config", ["", "[]", '{"r": "x"}', '{"r": 9999}', '{"rank_pattern": [1]}'])
def test_a_damaged_adapter_is_named(machine, tmp_path, config):
    made(tmp_path, "new", 32, 1)
    (tmp_path / "new" / "adapter_config.json").write_text(config)
    told = adapter(serving("new"), tmp_path)
    assert "new" in told.detail or "9999" in told.detail
    assert told.fix == "train it anew, or remove the folder"
