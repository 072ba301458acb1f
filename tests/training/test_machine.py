"""What this machine has: asked of torch, of the driver, of the system and of the container it runs in."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from training import machine

ROOT = Path(__file__).resolve().parents[2]
L4 = "NVIDIA L4, 23034, 22563, 8.9"
T4 = "Tesla T4, 15360, 15100, 7.5"
MEBIBYTE = 2**20 / 1e9


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A stand-in for nvidia-smi, first on PATH."""

    def put(script: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return put


def test_this_machine_has_memory_cores_and_disk(tmp_path):
    found = machine.here(tmp_path / "not" / "there" / "yet")
    assert 0 < found.available_gb <= found.memory_gb
    assert 1 <= found.cores <= (os.cpu_count() or 1)
    assert found.disk_free_gb > 0


def test_the_driver_is_asked_for_name_memory_and_what_it_computes(driver):
    driver(f'test "$1" = "{machine.QUERY[0]}" -a "$2" = "{machine.QUERY[1]}" && printf "%s\\n" "{L4}" "{T4}"')
    l4, t4 = machine.known_to_driver()
    assert (l4.name, l4.bf16) == ("NVIDIA L4", True)
    assert (t4.name, t4.bf16) == ("Tesla T4", False)
    assert (l4.total_gb, l4.free_gb) == pytest.approx((23034 * MEBIBYTE, 22563 * MEBIBYTE))


def test_a_name_with_commas_is_a_name(driver):
    driver("echo 'NVIDIA RTX 6000, Ada, 49140, 48000, 8.9'")
    assert machine.known_to_driver()[0].name == "NVIDIA RTX 6000, Ada"


@pytest.mark.parametrize(
    "script",
    [
        "exit 9",
        f"echo '{L4}'; exit 9",
        "echo 'No devices were found'",
        "echo 'GB10, [N/A], [N/A], 12.1'",
        ":",
    ],
)
def test_a_driver_that_says_nothing_useful_knows_no_gpu(driver, script):
    driver(script)
    assert machine.known_to_driver() == ()


def test_without_a_driver_there_is_no_gpu(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.known_to_driver() == ()


def test_a_driver_that_hangs_is_left_alone(driver):
    driver("exec sleep 30")
    began = time.monotonic()
    assert machine.known_to_driver(seconds=0.2) == ()
    assert time.monotonic() - began < 15


def test_a_gpu_that_torch_does_not_see_is_told_apart(driver, tmp_path):
    torch = pytest.importorskip("torch", reason="needs `make setup-train`")
    if torch.cuda.is_available():
        pytest.skip("torch sees one here")
    driver(f"echo '{L4}'")
    found = machine.here(tmp_path)
    assert found.gpus == ()
    assert [gpu.name for gpu in found.unseen] == ["NVIDIA L4"]


def test_once_nobody_holds_a_gpu_all_of_it_is_free(driver, tmp_path):
    driver("echo 'NVIDIA L4, 23034, 500, 8.9'")
    (gpu,) = machine.without_servers(tmp_path).gpus
    assert gpu.free_gb == gpu.total_gb == pytest.approx(23034 * MEBIBYTE)


def test_without_torch_the_driver_is_believed(driver, tmp_path):
    driver(f"echo '{L4}'")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path; from training import machine\n"
        f"found = machine.here(Path({str(tmp_path)!r}))\n"
        "print([gpu.name for gpu in found.gpus], found.unseen)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "['NVIDIA L4'] ()\n"


def test_torch_is_not_loaded_before_it_is_asked():
    code = "import sys; import training.machine, training.plan; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_container_has_what_it_is_allowed(tmp_path):
    (tmp_path / "memory.max").write_text("8000000000\n")
    (tmp_path / "memory.current").write_text("5000000000\n")
    (tmp_path / "memory.stat").write_text("anon 2000000000\ninactive_file 2500000000\n")
    assert machine.limited(64, 32, tmp_path) == pytest.approx((8, 5.5))
    assert machine.limited(64, 1, tmp_path) == pytest.approx((8, 1))
    assert machine.limited(4, 3, tmp_path) == (4, 3)


def test_an_older_container_too(tmp_path):
    folder = tmp_path / "memory"
    folder.mkdir()
    (folder / "memory.limit_in_bytes").write_text("8000000000\n")
    (folder / "memory.usage_in_bytes").write_text("5000000000\n")
    (folder / "memory.stat").write_text("inactive_file 0\ntotal_inactive_file 1000000000\n")
    assert machine.limited(64, 32, tmp_path) == pytest.approx((8, 4))


@pytest.mark.parametrize("limit", ["max\n", "9223372036854771712\n"])
def test_a_container_without_a_limit_has_all(tmp_path, limit):
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text("5000000000\n")
    assert machine.limited(64, 32, tmp_path) == (64, 32)
