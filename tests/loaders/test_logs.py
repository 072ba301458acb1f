import json
import os
from pathlib import Path

import pytest

from errors import BadInput
from loaders.vibe.logs import list_logs, read_log
from tests.loaders.corpora import CORPORA
from tests.loaders.spoken import assistant, folder_2x, user
from tests.loaders.store import Store
from tests.loaders.told import tell


def put(root, corpus, place="."):
    for name, data in CORPORA[corpus].files.items():
        path = root / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def session(folder, meta=True):
    folder.mkdir(parents=True)
    lines = [user("Why is it so?", "u1"), assistant("Because.")]
    (folder / "messages.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if meta:
        (folder / "meta.json").write_text(json.dumps(folder_2x("0a1b2c3d-0000-4000-8000-000000000000")))
    return folder


def listed(root, *passed_over):
    return [(log.name, log.kind) for log in list_logs(root, passed_over).logs]


@pytest.fixture
def tree(tmp_path):
    """All formats in one tree, as after years of use."""
    put(tmp_path, "one", "logs/session")
    put(tmp_path, "two", "logs/session")
    put(tmp_path, "unified", "logs/session/unified/5e551011")
    put(tmp_path, "chat", "exports/deep/er")
    put(tmp_path, "chats", "exports")
    return tmp_path


def test_logs_of_all_formats_are_found_at_any_depth_in_order_of_their_names(tree):
    assert listed(tree) == [
        ("exports/chats.jsonl", "jsonl"),
        ("exports/deep/er/chat.jsonl", "jsonl"),
        ("logs/session/session_1", "2.x"),
        ("logs/session/session_20261122_012605_22222222.json", "1.x"),
        ("logs/session/unified/5e551011", "3.x"),
    ]
    assert list_logs(tree).problems == []
    assert tell(tree)[2] == []


def test_names_do_not_matter(tree):
    base = tree / "logs" / "session"
    (base / "session_1").rename(base / "renamed")
    (base / "session_20261122_012605_22222222.json").rename(base / "old log.bak")
    (base / "unified" / "5e551011").rename(base / "store")
    (tree / "exports" / "chats.jsonl").rename(tree / "exports" / "notes")
    kinds = [kind for _, kind in listed(tree)]
    assert sorted(kinds) == ["1.x", "2.x", "3.x", "jsonl", "jsonl"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.toml", b'active_model = "rag"\n'),
        ("image.png", b"\x89PNG\r\n\x1a\n\0\0"),
        ("package.json", b'{\n  "name": "x",\n  "version": "1"\n}\n'),
        ("notebook.ipynb", b'{"cells": [], "metadata": {"kernelspec": {}}, "nbformat": 4}'),
        ("pod.json", b'{"metadata": {"name": "x"}, "spec": {}}'),
        ("events.jsonl", b'{"event": "start"}\n{"event": "end"}\n'),
        ("history.jsonl", b'"a question"\n"another"\n'),
        ("roles.json", b'{"role": "admin"}\n'),
        ("pretty.json", b'{\n  "role": "user",\n  "content": "hi"\n}\n'),
        ("empty.txt", b""),
        (".session-index.json", b'{"messages": [{"role": "user", "content": "x"}]}\n'),
        ("chat.jsonl.tmp", b'{"role": "user", "content": "x"}\n'),
    ],
)
def test_other_files_are_passed_over_in_silence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    listing = list_logs(tmp_path)
    assert (listing.logs, listing.problems) == ([], [])


@pytest.mark.parametrize("start", [b'{"messages": [{"role": "us', b"\0" * 900, b'nt": "x"}\n'])
def test_a_log_with_damaged_first_bytes_is_one_nevertheless(tmp_path, start):
    (tmp_path / "chats.jsonl").write_bytes(start + CORPORA["chats"].files["chats.jsonl"])
    (tmp_path / "short.jsonl").write_bytes(start + b'{"role": "user", "content": "Why?"}\n')
    [(name, data)] = CORPORA["one"].files.items()
    (tmp_path / name).write_bytes(b"\0" * 20 + data[20:])
    (tmp_path / "renamed.json").write_bytes(b"\0" * 5 + data[5:])
    assert sorted(kind for _, kind in listed(tmp_path)) == ["1.x", "1.x", "jsonl", "jsonl"]


@pytest.mark.parametrize(
    "name", ["active", "plugins", "quarantine", ".last_session", "half.tmp", "node_modules"]
)
def test_what_an_agent_keeps_beside_its_logs_is_not_entered(tmp_path, name):
    session(tmp_path / name / "a")
    assert listed(tmp_path) == []


def test_the_folders_of_subagents_are_not_entered(tmp_path):
    session(session(tmp_path / "a") / "agents" / "explore_20261122_0a1b2c3d")
    Store().write(tmp_path / "unified" / "child-085d8eef2fd909398f955a5a")
    assert listed(tmp_path) == [("a", "2.x")]


def test_folders_of_other_programs_are_no_stores(tmp_path):
    for name, content in {"leveldb": "MANIFEST-000001\n", "index": "7 0abdf7bce7102c52\n"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "CURRENT").write_text(content)
    (tmp_path / "art" / "generations" / "first").mkdir(parents=True)
    assert listed(tmp_path) == []


@pytest.mark.parametrize("lost", [["CURRENT"], ["chunks", "journal", "meta.json"], ["generations"]])
def test_a_store_is_known_by_what_is_left_of_it(tmp_path, lost):
    made = Store().turn("one", "Why is it so?", "Because.")
    made.publish()
    made.files = {name: data for name, data in made.files.items() if name.split("/")[0] not in lost}
    made.write(tmp_path / "store")
    assert listed(tmp_path) == [("store", "3.x")]


def test_a_file_of_conversations_may_be_called_messages(tmp_path):
    (tmp_path / "messages.jsonl").write_text('{"messages": [{"role": "user", "content": "x"}]}\n')
    assert listed(tmp_path) == [("messages.jsonl", "jsonl")]


def test_linked_folders_and_folders_to_pass_over_are_not_entered_and_linked_files_are_read(tmp_path):
    session(tmp_path / "outside" / "a")
    session(tmp_path / "logs" / "b")
    session(tmp_path / "logs" / "own" / "c")
    (tmp_path / "logs" / "linked").symlink_to(tmp_path / "outside")
    (tmp_path / "logs" / "loop").symlink_to(tmp_path / "logs")
    put(tmp_path / "outside", "chats")
    (tmp_path / "logs" / "chats").symlink_to(tmp_path / "outside" / "chats.jsonl")
    assert listed(tmp_path / "logs", tmp_path / "logs" / "own") == [("b", "2.x"), ("chats", "jsonl")]


def test_links_to_nothing_and_pipes_never_hang(tmp_path):
    (tmp_path / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round.jsonl").symlink_to(tmp_path / "round.jsonl")
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert listed(tmp_path) == []


@pytest.mark.parametrize("place", ["", "logs", "logs/session", "logs/session/session_1"])
def test_the_root_may_be_the_agents_home_or_a_session(tree, place):
    names = [name for name, _ in listed(tree / place)]
    assert "." not in names
    assert any(name.endswith("session_1") for name in names)


def test_the_root_may_be_a_file_or_a_store_or_the_folder_that_one_is_in(tree, monkeypatch):
    base = tree / "logs" / "session"
    assert listed(tree / "exports" / "chats.jsonl") == [("chats.jsonl", "jsonl")]
    assert listed(base / "unified" / "5e551011") == [("5e551011", "3.x")]
    assert listed(base / "session_1" / "messages.jsonl") == [("session_1", "2.x")]
    monkeypatch.chdir(base / "session_1")
    assert listed(Path()) == [("session_1", "2.x")]
    assert listed(Path("messages.jsonl")) == [("session_1", "2.x")]


def test_a_root_that_is_no_log_is_a_problem_and_one_that_is_not_there_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("words")
    assert list_logs(tmp_path / "a.txt").problems == [
        {"file": "a.txt", "reason": "not a log of a coding agent that is known here"}
    ]
    with pytest.raises(BadInput, match=r"nowhere cannot be used as the place of logs .*: name the folder"):
        list_logs(tmp_path / "nowhere")


def test_sessions_without_messages_are_problems(tmp_path):
    (session(tmp_path / "a") / "messages.jsonl").write_text("")
    (session(tmp_path / "b") / "messages.jsonl").unlink()
    (tmp_path / "session_20261122_012605_22222222.json").write_text("")
    assert list_logs(tmp_path).problems == [
        {"file": "a", "reason": "a session without any messages"},
        {"file": "b", "reason": "a session without its messages"},
        {"file": "session_20261122_012605_22222222.json", "reason": "a session without any messages"},
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="every folder opens to root")
def test_a_folder_or_log_that_may_not_be_opened_is_a_problem(tmp_path):
    session(tmp_path / "shut" / "a")
    (tmp_path / "shut").chmod(0)
    file = session(tmp_path / "b") / "messages.jsonl"
    file.chmod(0)
    listing = list_logs(tmp_path)
    (tmp_path / "shut").chmod(0o700)
    assert listing.problems == [{"file": "shut", "reason": "the folder cannot be opened: Permission denied"}]
    assert read_log(listing.logs[0]).problems == ["it cannot be read: Permission denied"]


def signature(root):
    [log] = list_logs(root).logs
    return log.signature


def test_a_signature_stays_as_long_as_the_content_does(tmp_path):
    store = Store().turn("one", "Why is it so?", "Because.")
    store.publish()
    store.write(tmp_path)
    first = signature(tmp_path)
    assert signature(tmp_path) == first
    (tmp_path / "scheduled-loops.json").write_text("{}")
    assert signature(tmp_path) == first
    seen = {first}
    store.turn("two", "And?", "So.")
    store.write(tmp_path)
    seen.add(signature(tmp_path))
    store.publish()
    store.write(tmp_path)
    seen.add(signature(tmp_path))
    (tmp_path / "CURRENT").unlink()
    seen.add(signature(tmp_path))
    assert len(seen) == 4


@pytest.mark.parametrize("file", ["messages.jsonl", "meta.json"])
def test_a_signature_changes_with_every_file_of_the_session(tmp_path, file):
    folder = session(tmp_path / "a")
    first = signature(tmp_path)
    data = (folder / file).read_bytes()
    os.utime(folder / file, ns=(1, 1))
    second = signature(tmp_path)
    (folder / file).write_bytes(data + b" ")
    os.utime(folder / file, ns=(1, 1))  # the same time, another size
    longer = signature(tmp_path)
    (folder / "new").write_bytes(data)
    os.utime(folder / "new", ns=(1, 1))
    (folder / "new").replace(folder / file)  # the same size and time, another file
    third = signature(tmp_path)
    (folder / file).unlink()
    assert len({first, second, longer, third}) == 4


def test_a_name_that_is_not_utf_8_survives(tmp_path):
    session(tmp_path / os.fsdecode(b"caf\xe9"))
    [log] = list_logs(tmp_path).logs
    assert log.name == "caf\udce9"
    assert len(read_log(log).sessions[0].turns) == 1


def test_neither_listing_nor_reading_changes_anything(tree):
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    tell(tree)
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*")} == before
