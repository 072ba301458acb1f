"""Past sessions from the command line: taken in once, without secrets, found, counted, forgotten."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sessions import session
from tests.stores import wire

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests" / "loaders" / "vibe"
WRITTEN = ["sessions", "turns", "new", "changed", "skipped", "redacted"]
HOLD = """
import sys
from pathlib import Path
from stores.holder import Shared
shared = Shared(Path(sys.argv[1]))
shared.facts()
print("holding", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def logs(tmp_path):
    """Two projects, three sessions, eight turns."""
    root = tmp_path / "logs"
    session(root, 1, range(4))
    session(root, 2, range(4, 6))
    session(root, 3, range(6, 8), project="/home/dev/other")
    return root


def facts(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ingest_recall_stats_forget(app, logs):
    first = facts(app("ingest", logs, "--json"))
    wanted = {
        "sessions": 3,
        "turns": 8,
        "new": 8,
        "unchanged": 0,
        "skipped": 0,
        "redacted": 0,
        "problems": [],
    }
    assert {name: first[name] for name in wanted} == wanted
    again = facts(app("ingest", logs, "--json"))
    assert (again["new"], again["unchanged"], again["turns"]) == (0, 8, 8)
    held = facts(app("stats", "--json"))
    assert held["collection"] == "conversations"
    assert (held["points"], held["sessions"], held["projects"]) == (8, 3, 2)
    assert held["embedding"] == {"model": "all-MiniLM-L6-v2", "dim": 384}
    hits = facts(app("recall", "colour code of machine 5", "--json"))["hits"]
    assert hits[0].keys() >= {"id", "session_id", "project", "time", "score", "relevance", "text"}
    assert "R00005" in hits[0]["text"]
    assert hits[0]["session_id"].startswith("00000002")
    assert hits[0]["time"].startswith("2026-11-01T00:00:02")
    assert all(hit["score"] >= 0.3 for hit in hits)
    assert all(hit["id"] in hit["turns"] for hit in hits)
    assert len(hits) == len({hit["session_id"] for hit in hits}) > 1
    assert facts(app("forget", "--id", hits[0]["id"], "--yes", "--json")) == {"forgotten": 1}
    assert facts(app("forget", "--project", "other", "--yes", "--json")) == {"forgotten": 2}
    assert facts(app("forget", "--session", hits[0]["session_id"], "--yes", "--json"))["forgotten"] > 0
    left = facts(app("stats", "--json"))["points"]
    cleared = facts(app("ingest", logs, "--clear", "--json"))
    assert cleared["turns"] == left
    assert cleared["left_out"] == {"forgotten": 8 - left}
    assert all("R00005" not in hit["text"] for hit in facts(app("recall", "machine 5", "--json"))["hits"])


def test_recall_is_held_to_a_project_by_folder_or_name_and_leaves_a_session_out(app, logs):
    facts(app("ingest", logs, "--json"))
    for name in ("/home/dev/other", "other", "dev/other", "other/"):
        hits = facts(app("recall", "colour code of machine 1", "--project", name, "--json"))["hits"]
        assert {hit["project"] for hit in hits} == {"/home/dev/other"}, name
    assert facts(app("recall", "machine", "--project", "unknown", "--json"))["hits"] == []
    own = facts(app("recall", "code of machine 1", "-k", "1", "--json"))["hits"][0]["session_id"]
    others = facts(app("recall", "code of machine 1", "--exclude-session", own, "--json"))["hits"]
    assert others
    assert own not in {hit["session_id"] for hit in others}
    session(logs, 4, range(8, 9), project="/srv/other")
    facts(app("ingest", logs, "--json"))
    doubtful = app("recall", "machine", "--project", "other")
    assert doubtful.returncode == 2
    assert "/home/dev/other" in doubtful.stderr
    assert "/srv/other" in doubtful.stderr


def test_the_memory_is_open_to_its_user_alone(app, logs, data_dir):
    facts(app("stats", "--json"))
    facts(app("ingest", logs, "--json"))
    assert (data_dir / "memory").stat().st_mode & 0o077 == 0
    assert (data_dir / "models" / "rules").stat().st_mode & 0o077 == 0


def test_a_person_reads_tables(app, logs):
    done = app("ingest", logs)
    headings, row = done.stdout.splitlines()[:2]
    assert headings.split() == [*WRITTEN, "problems", "seconds"]
    assert row.split()[:7] == ["3", "8", "8", "0", "0", "0", "0"]
    assert "8 turns of 3 sessions in 2 projects" in app("stats").stdout
    shown = app("recall", "colour code of machine 6").stdout
    assert "/home/dev/other" in shown
    assert "2026-11-01" in shown
    assert "R00006" in shown


def test_without_any_log_the_command_that_brings_them_is_named(app, tmp_path):
    done = app("ingest", DATA_DIR=str(tmp_path / "new"))
    assert done.returncode == 0
    assert "make pull-local" in done.stderr


def test_what_cannot_be_used_is_one_sentence(app, logs, tmp_path):
    empty = app("recall", "anything")
    assert (empty.returncode, empty.stderr) == (3, "There are no conversations yet: run `make ingest`.\n")
    assert facts(app("stats", "--json"))["points"] == 0
    nowhere = app("ingest", tmp_path / "nowhere")
    assert nowhere.returncode == 2
    assert "nowhere" in nowhere.stderr
    assert app("forget", "--session", "x").returncode == 2
    assert app("forget", "--yes").returncode == 2
    facts(app("ingest", logs, "--json"))
    nonsense = app("forget", "--id", "nonsense", "--yes")
    assert (nonsense.returncode, nonsense.stderr.count("\n")) == (2, 1)
    assert "recall" in nonsense.stderr
    other = app("recall", "anything", EMBEDDING_MODEL=str(tmp_path / "other"))
    assert other.returncode == 2
    assert "ingest-clear" in other.stderr


@pytest.mark.parametrize("where", ["embedded", "server"])
def test_both_forms_do_the_same(app, logs, where):
    with wire.server() as qdrant:
        extra = {"QDRANT_URL": qdrant.url, "QDRANT_API_KEY": "k"} if where == "server" else {}
        assert facts(app("ingest", logs, "--json", **extra))["new"] == 8
        assert facts(app("ingest", logs, "--json", **extra))["new"] == 0
        assert "R00005" in facts(app("recall", "machine 5", "--json", **extra))["hits"][0]["text"]
        assert facts(app("forget", "--project", "other", "--yes", "--json", **extra)) == {"forgotten": 2}
        assert facts(app("stats", "--json", **extra))["points"] == 6


@contextmanager
def holding(data_dir):
    """Another process that has the embedded collection open, as a running proxy has."""
    words = [sys.executable, "-c", HOLD, str(data_dir / "memory" / "conversations")]
    with subprocess.Popen(words, cwd=ROOT, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout.readline() == "holding\n"
        yield process
        process.kill()


def test_everything_works_through_a_process_that_holds_the_store(app, logs, data_dir):
    (data_dir / "memory").mkdir(exist_ok=True)
    with holding(data_dir):
        assert facts(app("ingest", logs, "--json"))["new"] == 8
        assert "R00005" in facts(app("recall", "machine 5", "--json"))["hits"][0]["text"]
        assert facts(app("forget", "--project", "other", "--yes", "--json")) == {"forgotten": 2}
        assert facts(app("stats", "--json"))["points"] == 6
    assert facts(app("stats", "--json"))["points"] == 6


def test_of_two_ingests_one_leaves_with_the_process_id_of_the_other(app, logs, environment, tmp_path):
    words = [sys.executable, str(ROOT / "app.py"), "ingest", str(logs)]
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=-1, stderr=-1) as first:
        lock = Path(environment["DATA_DIR"]) / "memory" / "lock"
        while not (lock.exists() and lock.read_text().strip()):
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)
        second = app("ingest", logs)
        first.send_signal(signal.SIGCONT)
        first.communicate()
    assert first.returncode == 0
    assert second.returncode == 75
    assert str(first.pid) in second.stderr
    assert facts(app("stats", "--json"))["points"] == 8


def test_logs_are_pulled_once_and_only_logs(app, logs, data_dir, tmp_path):
    home = tmp_path / "vibe"
    shutil.copytree(FIXTURES / "3.0.2" / "cors", home / "logs" / "session" / "unified")
    shutil.copytree(logs, home / "logs" / "session" / "old")
    (home / ".env").write_text("KEY=1")
    (home / "logs" / "session" / "notes.txt").write_text("not a log")
    done = facts(app("pull-local", home / "logs" / "session", "--json"))
    assert (done["sessions"], done["problems"]) == (4, [])
    assert done["copied"] > 10
    into = data_dir / "logs" / "session"
    assert not list(into.rglob("notes.txt"))
    again = facts(app("pull-local", home / "logs" / "session", "--json"))
    assert (again["copied"], again["unchanged"]) == (0, done["copied"])
    shutil.rmtree(home / "logs" / "session" / "old")
    assert facts(app("ingest", "--json"))["turns"] == 9
    assert facts(app("pull-local", "--json", VIBE_HOME=str(home)))["copied"] == 0
    assert facts(app("ingest", "--json"))["turns"] == 9
    assert app("pull-local", data_dir).returncode == 2


@pytest.mark.parametrize(
    "order", [["d7b405fd", "ac9b9188", "0123068a"], ["0123068a", "ac9b9188", "d7b405fd"]]
)
def test_a_compacted_session_is_one_in_whatever_order_its_folders_come(app, tmp_path, order):
    folders = {folder.name[-8:]: folder for folder in (FIXTURES / "2.18.4" / "compaction-2x").iterdir()}
    for name in order:
        shutil.copytree(folders[name], tmp_path / "logs" / folders[name].name)
        taken = facts(app("ingest", tmp_path / "logs", "--json"))
    assert (taken["turns"], taken["left_out"]) == (2, {})
    hits = facts(app("recall", "Read big.txt, then make app.py print v2", "--json"))["hits"]
    assert hits[0]["text"].startswith("User: Read big.txt, then make app.py print v2.\nAssistant: It was v1.")
    assert hits[0]["session_id"].startswith("d7b405fd")


def test_a_session_that_is_being_written_is_read_and_grows(app, logs):
    facts(app("ingest", logs, "--json"))
    folder = session(logs, 2, (4, 5, 50))
    with (folder / "messages.jsonl").open("a") as stream:
        stream.write('{"role": "user", "content": "Which colour')
    grown = facts(app("ingest", logs, "--json"))
    assert (grown["turns"], grown["new"], grown["unchanged"]) == (9, 1, 8)
    assert [row["file"] for row in grown["problems"]] == [folder.name]


KEY = "sk-test-51FAKEFAKE0000notARealKey9z8y7x6w5v4u"
PASSWORD = "hunter2-example"  # noqa: S105  # a fixture's


def test_no_secret_of_a_log_is_in_the_data_folder(app, data_dir):
    taken = facts(app("ingest", FIXTURES / "3.0.2" / "secret", "--json"))
    assert taken["redacted"] >= 2
    hits = facts(app("recall", "write the API key to .env", "--json"))["hits"]
    assert "[redacted:" in hits[0]["text"]
    for file in data_dir.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert KEY.encode() not in content, file
            assert PASSWORD.encode() not in content, file


def test_doctor_covers_the_store_and_the_logs(app, logs):
    rows = {row["name"]: row for row in json.loads(app("doctor", "--json").stdout)["checks"]}
    assert not rows["memory"]["ok"]
    assert "ingest" in rows["memory"]["fix"]
    facts(app("ingest", logs, "--json"))
    rows = {row["name"]: row for row in json.loads(app("doctor", "--json").stdout)["checks"]}
    assert rows["memory"]["ok"]
    assert "8 turns" in rows["memory"]["detail"]
    assert "logs" in rows


def test_the_cure_that_a_damaged_store_names_cures_it(app, logs, data_dir):
    facts(app("ingest", logs, "--json"))
    for segment in (data_dir / "memory" / "conversations" / "shard" / "segments").iterdir():
        (segment / "segment.json").write_text("{")
    damaged = app("recall", "machine 5")
    assert (damaged.returncode, damaged.stderr.count("\n")) == (1, 1)
    assert "make ingest-clear" in damaged.stderr
    assert facts(app("ingest", logs, "--clear", "--json"))["new"] == 8
    assert facts(app("recall", "machine 5", "--json"))["hits"]


def test_a_read_only_data_folder_is_one_sentence(app, logs, data_dir):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    data_dir.chmod(0o500)
    done = app("ingest", logs)
    data_dir.chmod(0o700)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
