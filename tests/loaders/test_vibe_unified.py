import json
import os
import threading

import pytest

from tests.loaders.store import (
    ALL,
    RUN,
    Store,
    current,
    encoded,
    failed,
    last_chunk,
    parts,
    shop,
    succeeded,
    user_entry,
)
from tests.loaders.told import actions, question_and_answer, said, tell

SPOKEN = {"type": "message", "role": "assistant", "source": "harness", "content": parts("No.")}
SUMMARY = "<compaction_summary>x</compaction_summary>"


def test_a_session_is_its_snapshot_and_its_journal(tmp_path):
    shop().write(tmp_path)
    found, left_out, faults = tell(tmp_path)
    assert said(tmp_path) == ALL
    assert actions(found[0]) == 'bash "pytest" (exit 1: 1 failed)'
    assert (left_out, faults) == ({}, [])
    first = found[0].metadata
    assert first["identity"] == "3.x\0" + first["session_id"] + "\0one"
    assert (first["turn"], first["time"]) == ("one", "2026-11-22T01:23:58.100Z")
    assert (first["project"], first["model"]) == ("/home/dev/shop", "local-model")


def test_entries_in_many_chunks_are_one_history(tmp_path):
    made = Store().turn("one", "Fix it.", "I look.", RUN, "Fixed.").turn("two", "Why?", "So.")
    made.publish(in_each=2)
    made.write(tmp_path)
    assert said(tmp_path) == [("Fix it.", "Fixed."), ("Why?", "So.")]


def test_a_turn_in_progress_has_no_answer_whatever_was_said_last(tmp_path):
    made = Store()
    made.turn("one", "Fix it.", "This can take a while.", status="in_progress")
    made.write(tmp_path)
    assert tell(tmp_path)[:2] == ([], {"incomplete": 1})


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        (None, 'bash "pytest" (not finished)'),
        (failed("Not found: /home/dev/shop/a.py\nmore"), 'bash "pytest" (failed: Not found: a.py)'),
        ({"status": "cancelled"}, 'bash "pytest" (cancelled)'),
        (succeeded(returncode=0, stderr="warning"), 'bash "pytest" (exit 0)'),
        (succeeded(returncode=2, stdout="x", stderr="line\nbad: y\n"), 'bash "pytest" (exit 2: bad: y)'),
        (succeeded(files=[]), 'bash "pytest"'),
    ],
)  # fmt: skip
def test_an_effect_says_how_it_ended(tmp_path, state, shown):
    Store().turn("one", "Fix it.", ("bash", {"command": "pytest"}, state), "Fixed.").write(tmp_path)
    assert actions(tell(tmp_path)[0][0]) == shown


def test_several_messages_in_one_turn_are_one_question_and_the_last_text_answers(tmp_path):
    made = Store().turn(
        "one", "Fix it.", "First answer.", user_entry("one", "No, the other one."), "Fixed that."
    )
    made.write(tmp_path)
    assert said(tmp_path) == [("Fix it.\n\nNo, the other one.", "Fixed that.")]


def test_a_message_after_the_answer_asks_again(tmp_path):
    made = Store().turn("one", "Fix it.", "First answer.", user_entry("one", "No, the other one."))
    made.turn("two", "Thanks for that, what now?", "Nothing.")
    made.write(tmp_path)
    assert [question for question, _ in said(tmp_path)] == ["Thanks for that, what now?"]


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "reasoning", "text": "Hm."},
        {"type": "checkpoint", "kind": "compaction"},
        SPOKEN | {"source": "hook"},
        {"type": "message", "role": "user", "source": "injected", "content": parts("Be brief.")},
        SPOKEN | {"outcome": {"type": "discarded"}},
        {"type": "message", "role": "user", "source": "turn_start", "content": parts(SUMMARY)},
    ],
)  # fmt: skip
def test_entries_that_are_neither_said_nor_done_change_nothing(tmp_path, entry):
    made = Store().turn("one", "Fix it.", entry, "Fixed.", entry | {"id": "again"})
    made.turn("two", "Why?", "So.")
    made.write(tmp_path)
    assert said(tmp_path) == [("Fix it.", "Fixed."), ("Why?", "So.")]


def test_an_answer_that_is_still_being_written_is_none(tmp_path):
    half = {"type": "message", "role": "assistant", "source": "harness", "content": parts("I fi")}
    Store().turn("one", "Fix it.", half | {"generationStatus": "in_progress"}).write(tmp_path)
    assert tell(tmp_path)[1] == {"incomplete": 1}


def test_entries_that_were_removed_or_replaced_are_gone(tmp_path):
    made = shop()
    answer = next(entry for entry in made.entries.values() if entry.get("content") == parts("Done."))
    made.delta("three", {"op": "remove_entry", "id": answer["id"]})
    made.write(tmp_path)
    assert said(tmp_path) == ALL[:2]
    kept = [entry for entry in made.entries.values() if entry["turnId"] == "two"]
    made.delta("three", {"op": "set_history_entries", "entries": kept})
    made.write(tmp_path)
    assert said(tmp_path) == ALL[1:2]


def test_the_sessions_of_subagents_are_left_out(tmp_path):
    shop(parent="5e551011-0000-4000-8000-0000000000aa").write(tmp_path / "renamed")
    shop().write(tmp_path / "child-085d8eef2fd909398f955a5a")
    assert tell(tmp_path)[:2] == ([], {"subagent": 3})


def test_a_child_needs_no_meta_json_and_another_session_does(tmp_path):
    for folder, parent in {"a": "5e551011-0000-4000-8000-0000000000aa", "b": None}.items():
        made = shop(parent=parent)
        del made.files["meta.json"]
        made.write(tmp_path / folder)
    assert tell(tmp_path)[2] == [("b", "meta.json is missing, so the project is not known")]


def test_a_session_without_messages_is_no_problem(tmp_path):
    Store().write(tmp_path)
    assert tell(tmp_path) == ([], {}, [])


def test_what_other_records_hold_is_never_told(tmp_path):
    shop().write(tmp_path)
    assert "SYSTEM PROMPT" not in str(tell(tmp_path))


def test_a_store_that_is_replaced_while_it_is_read_is_read_again(tmp_path):
    made = Store().turn("one", "Fix it.", "Fixed.")
    made.publish()
    made.write(tmp_path)
    name = last_chunk(made)
    chunk = tmp_path / name
    chunk.unlink()
    os.mkfifo(chunk)  # its reader waits there until the next generation is written

    def go_on():
        with chunk.open("wb") as pipe:
            made.turn("two", "And the tests?", "They pass.").publish()
            del made.files[name]
            made.write(tmp_path)
            pipe.write(b"[")

    writer = threading.Thread(target=go_on)
    writer.start()
    found, _, problems = tell(tmp_path)
    writer.join()
    assert [question_and_answer(document) for document in found] == [
        ("Fix it.", "Fixed."),
        ("And the tests?", "They pass."),
    ]
    assert problems == []


def test_a_manifest_cannot_lead_out_of_the_store(tmp_path):
    (tmp_path / "secret.jsonl").write_text("SECRET\n")
    made = shop()
    name = current(made, "manifest.json")
    manifest = json.loads(made.files[name])
    manifest["recovery_journal_segment"]["path"] = "../secret.jsonl"
    made.files[name] = encoded(manifest) + b"\n"
    made.point(made.kept[-1][0])
    made.write(tmp_path / "store")
    assert "SECRET" not in str(tell(tmp_path / "store"))
