"""A base is found on the hub or in a folder; what is made of it is whole or not there, and made once."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="needs `make setup-train`")

from errors import BadInput, PartMissing, StoreFailed
from tests.training import small_hub, tiny
from training import folders, source

ROOT = Path(__file__).resolve().parents[2]
FIND = """
import sys
from pathlib import Path
from errors import RecuerdoError
from training import source
from training.recipe import Recipe
more = dict(family="devstral", r=4, lora_alpha=8, learning_rate=1e-3, output="x", target_modules=("q_proj",))
for name in sys.argv[2:]:
    try:
        if name.startswith("small:"):
            print(source.vocabulary(Recipe(base=name[6:], **more), Path(sys.argv[1]), print).name)
            continue
        name, _, revision = name.partition("@")
        found = source.found(Recipe(base=name, revision=revision or None, **more), Path(sys.argv[1]), print)
        print(found.folder.name, found.revision)
    except RecuerdoError as error:
        print(type(error).__name__, error)
"""
MAKE = """
import sys, time
from pathlib import Path
from training.folders import made
def fill(folder):
    with open(sys.argv[2], "a") as log:
        log.write("filled\\n")
    (folder / "one").write_text("1")
    time.sleep(float(sys.argv[3]))
    (folder / "two").write_text("2")
made(Path(sys.argv[1]), fill, print)
"""


def python(code, *arguments, **environment):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env=kept | {"OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(there, seconds=20):
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_folder_is_made_once_by_two_at_the_same_time(tmp_path):
    wanted, log = tmp_path / "deep" / "folder", tmp_path / "log"
    both = [python(MAKE, wanted, log, 1) for _ in range(2)]
    told = [process.communicate(timeout=30) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert sorted(out for out, _ in told) == ["", "Another process is making it: waiting\n"]
    assert log.read_text() == "filled\n"
    assert {path.name for path in wanted.iterdir()} == {"one", "two"}


def test_a_folder_whose_maker_was_killed_is_not_there_and_is_made_anew(tmp_path):
    wanted, log = tmp_path / "folder", tmp_path / "log"
    process = python(MAKE, wanted, log, 60)
    until((tmp_path / ".partial-folder" / "one").is_file)
    process.kill()
    process.communicate()
    assert not wanted.exists()
    folders.made(wanted, lambda folder: (folder / "whole").touch())
    assert [path.name for path in wanted.iterdir()] == ["whole"]
    assert not (tmp_path / ".partial-folder").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "folder").mkdir()
    assert folders.made(tmp_path / "folder", lambda folder: pytest.fail("made again")) == tmp_path / "folder"


@pytest.mark.parametrize(
    ("fault", "told"), [(OSError(28, "No space left"), StoreFailed), (BadInput("no"), BadInput)]
)
def test_of_a_failure_nothing_is_left(tmp_path, fault, told):
    def fail(folder):
        (folder / "half").write_text("half")
        raise fault

    with pytest.raises(told):
        folders.made(tmp_path / "folder", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".lock-folder"]


def test_a_disk_that_is_too_small_is_told_with_numbers(tmp_path):
    folders.must_fit(1, tmp_path / "not" / "there", "A little")
    with pytest.raises(
        BadInput, match=rf"^The copy takes 48000000.0 GB below {tmp_path}, where [\d.]+ GB are free"
    ):
        folders.must_fit(48 * 10**15, tmp_path / "not" / "there", "The copy")


def test_fp8_in_a_folder_is_turned_once_and_again_when_it_changed(tmp_path):
    hub, said = tiny.fp8(tmp_path / "hub"), []
    recipe = tiny.recipe("devstral", base=str(hub))
    found = source.found(recipe, tmp_path / "cache", said.append)
    assert (found.name, found.revision, len(said)) == (str(hub), None, 3)
    assert source.found(recipe, tmp_path / "cache", said.append) == found
    assert len(said) == 3
    os.utime(hub / "model-00001-of-00003.safetensors", (1, 1))
    assert source.found(recipe, tmp_path / "cache", said.append).folder != found.folder
    assert len(said) == 6


def test_weights_in_16_bits_are_loaded_where_they_lie(tmp_path):
    folder = tiny.saved(tiny.devstral(), tmp_path / "plain")
    found = source.found(tiny.recipe("devstral", base=str(folder)), tmp_path / "cache")
    assert found == source.Base(str(folder), folder, None)
    assert not (tmp_path / "cache").exists()


def test_a_copy_that_half_way_proves_to_be_no_fp8_leaves_nothing(tmp_path):
    hub = tiny.saved(tiny.devstral(), tmp_path / "hub")
    config = json.loads((hub / "config.json").read_text()) | {"quantization_config": {"quant_method": "fp8"}}
    (hub / "config.json").write_text(json.dumps(config))
    path = hub / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(BadInput, match="cut short"):
        source.found(tiny.recipe("devstral", base=str(hub)), tmp_path / "cache")
    assert not [entry for entry in (tmp_path / "cache").iterdir() if entry.is_dir()]


def test_weights_that_do_not_learn_are_refused(tmp_path):
    folder = tiny.saved(tiny.devstral(), tmp_path / "awq")
    config = json.loads((folder / "config.json").read_text()) | {
        "quantization_config": {"quant_method": "awq"}
    }
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match="is quantized with awq, which does not learn"):
        source.found(tiny.recipe("devstral", base=str(folder)), tmp_path)


@pytest.mark.parametrize("base", ["no/such/folder", "/nowhere", "bundled:Llama", "just-a-name"])
def test_a_base_that_is_nowhere_is_refused(base, tmp_path):
    with pytest.raises(BadInput, match=r"There is no .*bundled:SmolLM2-135M-Instruct"):
        source.found(tiny.recipe("devstral", base=base), tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(PartMissing, match="lacks 1 of 1 files of weights"):
        source.found(tiny.recipe("devstral", base=str(tmp_path)), tmp_path)


def find(tmp_path, *names, **environment):
    process = python(FIND, tmp_path / "cache", *names, HF_HOME=str(tmp_path / "hf"), **environment)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    return out.splitlines()


def test_of_the_hub_only_what_is_needed_is_fetched_and_the_commit_is_known(tmp_path):
    hub = tiny.fp8(tmp_path / "hub")
    for name in ("consolidated.safetensors", "params.json", "original/config.json", "README.md"):
        (hub / name).parent.mkdir(exist_ok=True)
        (hub / name).write_text("for another engine")
    named = f"somebody--tiny-{small_hub.COMMIT[:12]}-bf16 {small_hub.COMMIT}"
    with small_hub.serving(hub) as server:
        words = (small_hub.NAME, f"{small_hub.NAME}@v1", "somebody/unknown")
        told = find(tmp_path, *words, HF_ENDPOINT=server.address)
    assert told[3:5] == [named, named]
    assert server.revisions == {"main", "v1"}
    assert told[-1].startswith("PartMissing somebody/unknown is not wholly on this machine")
    assert "RepositoryNotFoundError" in told[-1]
    shards = [f"model-{number:05d}-of-00003.safetensors" for number in (1, 2, 3)]
    assert sorted(server.asked) == sorted(
        ["config.json", "generation_config.json", "model.safetensors.index.json", *shards]
    )
    # The hub is gone: what was fetched serves on, with its commit.
    assert find(tmp_path, small_hub.NAME, HF_ENDPOINT=server.address)[-1] == named
    told = find(tmp_path, small_hub.NAME, "somebody/unknown", HF_HUB_OFFLINE="1")
    assert told[1] == named
    assert "OfflineModeIsEnabled" in told[-1]


def test_for_the_tokenizer_no_weights_are_fetched_and_what_is_here_is_no_base(tmp_path):
    with small_hub.serving(tiny.fp8(tmp_path / "hub")) as server:
        told = find(tmp_path, f"small:{small_hub.NAME}", HF_ENDPOINT=server.address)
    assert told == [small_hub.COMMIT]
    assert sorted(server.asked) == ["config.json", "generation_config.json", "model.safetensors.index.json"]
    told = find(tmp_path, f"small:{small_hub.NAME}", small_hub.NAME, HF_HUB_OFFLINE="1")
    assert told[1] == small_hub.COMMIT
    assert told[-1].startswith(f"PartMissing {small_hub.NAME} is not wholly on this machine")


def test_what_the_disk_has_no_room_for_is_not_fetched(tmp_path):
    with small_hub.serving(tiny.fp8(tmp_path / "hub"), told_size=10**15) as server:
        told = find(tmp_path, small_hub.NAME, HF_ENDPOINT=server.address)
    assert told[-1].startswith("BadInput somebody/tiny takes 6000000.0 GB below ")
    assert not server.asked
