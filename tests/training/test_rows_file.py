"""The file of rows: whole or as it was, its owner's alone, and known by its manifest."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from errors import BadInput, StoreFailed
from loaders.secrets.redactor import Redactor
from tests.conftest import ROOT
from tests.training.logged import keys, made, names, session, turn
from training import dataset, manifest
from training.rows import rows

MAKE = """
import sys
from pathlib import Path
from loaders.secrets.redactor import Redactor
from training.rows import rows
rows(Path(sys.argv[1]), Path(sys.argv[2]), Redactor(Path(sys.argv[3])))
"""


@pytest.fixture(scope="module")
def redactor(model_cache):
    return Redactor(model_cache / "rules")


@pytest.fixture
def logs(tmp_path):
    for number in (1, 2, 3):
        session(tmp_path / "logs", number, turn(str(number)))
    return tmp_path / "logs"


def test_the_manifest_names_every_line_and_the_whole(logs, tmp_path, redactor):
    out = tmp_path / "new" / "rows.jsonl"
    told, facts = made(logs, out, redactor)
    noted = json.loads(manifest.beside(out).read_text())
    lines = out.read_bytes().splitlines()
    assert noted["sha256"] == facts["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert [one["sha256"] for one in noted["rows"]] == [hashlib.sha256(line).hexdigest() for line in lines]
    assert [one["session"] for one in noted["rows"]] == [row["session"] for row in told]
    assert noted["sessions"] == [names(number) for number in (1, 2, 3)]
    assert set(noted["versions"]) == {"rows", "redaction", "python"}
    assert {"left_out", "dropped", "repaired", "redacted", "problems", "turns"} <= noted.keys()


def test_both_files_are_their_owners_alone_whatever_the_mask(logs, tmp_path, redactor):
    out = tmp_path / "rows.jsonl"
    before = os.umask(0)
    try:
        made(logs, out, redactor)
    finally:
        os.umask(before)
    assert [file.stat().st_mode & 0o777 for file in (out, manifest.beside(out))] == [0o600, 0o600]


def test_the_same_logs_give_the_same_bytes(logs, tmp_path, redactor):
    one, other = tmp_path / "a" / "rows.jsonl", tmp_path / "b" / "rows.jsonl"
    made(logs, one, redactor)
    made(logs, other, redactor)
    assert one.read_bytes() == other.read_bytes()
    assert manifest.beside(one).read_bytes() == manifest.beside(other).read_bytes()


def test_rows_take_the_place_of_older_ones_and_are_no_logs_themselves(logs, redactor):
    out = logs / "rows.jsonl"
    made(logs, out, redactor)
    session(logs, 4, turn("4"))
    told, facts = made(logs, out, redactor)
    assert [keys(row) for row in told] == [["1"], ["2"], ["3"], ["4"]]
    made(logs, logs / "more.jsonl", redactor)
    assert facts["logs"] == json.loads(manifest.beside(logs / "more.jsonl").read_text())["logs"] == 4


def test_what_somebody_else_wrote_is_never_replaced(logs, tmp_path, redactor):
    out = tmp_path / "notes.txt"
    out.write_text("mine")
    with pytest.raises(BadInput, match="choose another --out"):
        rows(logs, out, redactor)
    with pytest.raises(BadInput, match="choose another --out"):
        rows(logs, tmp_path, redactor)
    assert out.read_text() == "mine"


@pytest.mark.parametrize("told", [[], turn("1")[:3]])
def test_nothing_to_learn_from_is_one_sentence_and_leaves_no_file(told, tmp_path, redactor):
    session(tmp_path / "logs", 1, told)
    with pytest.raises(BadInput, match="holds nothing to learn from"):
        rows(tmp_path / "logs", tmp_path / "out" / "rows.jsonl", redactor)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_older_file_stays_where_nothing_is_left_to_write(logs, tmp_path, redactor):
    out = tmp_path / "rows.jsonl"
    made(logs, out, redactor)
    before = out.read_bytes()
    with pytest.raises(BadInput, match=r"3 not on the list\. .*rows\.jsonl is as it was made before"):
        made(logs, out, redactor, allowed=frozenset())
    assert out.read_bytes() == before
    assert len(dataset.read(out).rows) == 3


def limit():
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def test_a_full_disk_leaves_the_older_file_as_it_was(logs, tmp_path, redactor, model_cache):
    out = tmp_path / "out" / "rows.jsonl"
    made(logs, out, redactor)
    session(logs, 9, turn("9"))
    before = {file.name: file.read_bytes() for file in out.parent.iterdir()}
    run = subprocess.run(
        [sys.executable, "-c", MAKE, str(logs), str(out), str(model_cache / "rules")],
        cwd=ROOT, preexec_fn=limit, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "StoreFailed" in run.stderr
    assert "rows.jsonl cannot be written (File too large): no rows were made." in run.stderr
    assert {file.name: file.read_bytes() for file in out.parent.iterdir()} == before


def test_a_place_that_cannot_be_written_is_one_sentence(logs, tmp_path, redactor):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed, match="cannot be written"):
        rows(logs, tmp_path / "file" / "rows.jsonl", redactor)


def test_what_a_killed_run_left_is_no_log_and_is_written_over(logs, redactor):
    out = logs / "rows.jsonl"
    (logs / ".rows.jsonl.tmp").write_text(json.dumps({"messages": [{"role": "user", "content": "half"}]}))
    told, _ = made(logs, out, redactor)
    assert len(told) == 3
    assert not (logs / ".rows.jsonl.tmp").exists()


def test_rows_that_were_changed_are_refused_until_that_is_said_to_be_meant(logs, tmp_path, redactor):
    out = tmp_path / "rows.jsonl"
    made(logs, out, redactor)
    out.write_bytes(b"".join(out.read_bytes().splitlines(True)[:2]))
    with pytest.raises(BadInput, match="not what its manifest says"):
        dataset.read(out)
    manifest.beside(out).unlink()
    assert len(dataset.read(out).rows) == 2


def test_a_long_run_tells_how_far_it_is(logs, tmp_path, redactor):
    said = []
    rows(logs, tmp_path / "rows.jsonl", redactor, say=lambda *told: said.append(told))
    assert said == [(what, done, 3) for what in ("reading logs", "making rows") for done in range(3)]


def test_folders_that_are_passed_over_give_no_rows(logs, tmp_path, redactor):
    told, _ = made(logs, tmp_path / "rows.jsonl", redactor, passed_over=tuple(logs.glob("*2")))
    assert [keys(row) for row in told] == [["1"], ["3"]]


def test_a_place_without_logs_is_named(tmp_path, redactor):
    with pytest.raises(BadInput, match="nowhere"):
        rows(Path(tmp_path / "nowhere"), tmp_path / "rows.jsonl", redactor)
    assert list(tmp_path.iterdir()) == []
