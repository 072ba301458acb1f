"""A version is whole or not there, whatever happens while it is written."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from errors import Locked, StoreFailed
from stores.lock import held
from stores.versions import Versions


def write(text):
    return lambda folder: (folder / "data").write_text(text)


def content(versions):
    version = versions.newest()
    return (version.folder / "data").read_text() if version else None


@pytest.fixture
def versions(tmp_path):
    return Versions(tmp_path / "store")


def test_what_is_published_is_read_back(versions):
    assert versions.newest() is None
    with versions.writing():
        versions.publish({"n": 1}, write("one"))
    assert versions.newest().facts == {"n": 1}
    assert content(versions) == "one"


def test_the_version_before_is_kept_and_older_ones_leave(versions):
    with versions.writing():
        for text in ("one", "two", "three"):
            versions.publish({}, write(text))
    assert content(versions) == "three"
    assert sorted(path.name for path in versions.root.iterdir() if path.is_dir()) == ["2", "3"]


@pytest.mark.parametrize("fault", ["flip", "cut", "gone", "manifest", "pointer"])
def test_damage_is_noticed_and_the_version_before_serves(versions, fault):
    with versions.writing():
        versions.publish({}, write("one"))
        versions.publish({}, write("two"))
    data, manifest = versions.root / "2" / "data", versions.root / "2" / "manifest.json"
    match fault:
        case "flip":
            data.write_text("tWo")
        case "cut":
            data.write_text("tw")
        case "gone":
            data.unlink()
        case "manifest":
            facts = json.loads(manifest.read_text())
            facts["facts"]["added"] = True
            manifest.write_text(json.dumps(facts))
        case "pointer":
            (versions.root / "CURRENT").write_text("nonsense")
    assert content(versions) == ("two" if fault == "pointer" else "one")


def test_a_version_that_was_never_pointed_to_does_not_count(versions):
    with versions.writing():
        versions.publish({}, write("one"))
        versions.publish({}, write("two"))
    checksum = hashlib.sha256((versions.root / "1" / "manifest.json").read_bytes()).hexdigest()
    (versions.root / "CURRENT").write_text(f"1 {checksum}\n")
    assert content(versions) == "one"
    with versions.writing():
        versions.publish({}, write("three"))
    assert content(versions) == "three"


def test_a_failure_while_filling_leaves_the_old_version_and_no_litter(versions):
    def full(folder):
        (folder / "data").write_text("half")
        raise OSError(28, "No space left on device")

    with versions.writing():
        versions.publish({}, write("one"))
        with pytest.raises(StoreFailed, match="No space left on device"):
            versions.publish({}, full)
    assert content(versions) == "one"
    assert not list(versions.root.glob("partial-*"))


def test_a_disk_that_fills_up_leaves_the_old_version(versions):
    """The system itself refuses the bytes: RLIMIT_FSIZE in a process of its own."""
    with versions.writing():
        versions.publish({}, write("one"))
    program = f"""
import resource, signal
from pathlib import Path
from errors import StoreFailed
from stores.versions import Versions
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
versions = Versions(Path({str(versions.root)!r}))
with versions.writing():
    try:
        versions.publish({{}}, lambda folder: (folder / "data").write_bytes(bytes(100_000)))
    except StoreFailed as error:
        print(error)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "the one before is kept" in run.stdout
    assert content(versions) == "one"


def test_what_an_interrupted_writer_left_is_cleared_away(versions):
    leftover = versions.root / "partial-7"
    leftover.mkdir(parents=True)
    (leftover / "data").write_text("half")
    with versions.writing():
        assert not leftover.exists()


def test_a_second_writer_is_told_who_holds_the_lock(versions):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(path=str(versions.root / "lock"))], stdin=-1, stdout=-1, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Locked, match=f"Process {holder.pid} "), versions.writing():
            pass
    finally:
        holder.kill()
        holder.communicate()
    with versions.writing():  # the system let go of the lock when its holder died
        assert (versions.root / "lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailed, match="cannot be written"), held(tmp_path / "file" / "lock"):
        pass


HOLD = """
from pathlib import Path
from stores.lock import held
with held(Path({path!r})):
    print("held", flush=True)
    input()
"""


def test_nothing_in_the_stores_can_unpickle():
    """Loading a pickle runs whatever it says; `save_local` and `load_local` of LangChain's FAISS do."""
    root = Path(__file__).resolve().parents[2]
    for file in (root / "stores").glob("*.py"):
        words = file.read_text()
        for forbidden in ("import pickle", "load_local", "save_local", "allow_pickle=True", "torch.load"):
            assert forbidden not in words, f"{file.name}: {forbidden}"
