"""Stores of Vibe 3.x with broken files: what the rest of them still tells."""

import re

import pytest

from tests.loaders.store import ALL, RUN, Store, current, last_chunk, parts, shop, succeeded
from tests.loaders.told import actions, reasons, said, tell


@pytest.mark.parametrize(
    "file",
    [
        "CURRENT",
        lambda made: current(made, "manifest.json"),
        lambda made: current(made, "projection-state.json"),
        last_chunk,
    ],
    ids=["CURRENT", "manifest", "projection", "chunk"],
)
@pytest.mark.parametrize("damage", ["torn", "missing", "flipped"])
def test_the_generation_before_and_the_journal_serve_where_something_is_broken(tmp_path, file, damage):
    made = shop()
    name = file if isinstance(file, str) else file(made)
    data = made.files.pop(name)
    if damage != "missing":
        at = data.index(b'"', 1) + 1
        made.files[name] = (
            data[:60] if damage == "torn" else data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        )
    made.write(tmp_path)
    assert said(tmp_path) == ALL
    [problem] = reasons(tmp_path)
    assert problem.startswith((name, "CURRENT"))


def test_a_generation_that_current_names_in_vain_is_a_problem(tmp_path):
    made = shop()
    made.point("0000000000000999")
    made.write(tmp_path)
    assert said(tmp_path) == ALL
    assert reasons(tmp_path)[0].startswith("CURRENT names a generation that is not there")


def test_a_pointer_to_another_session_is_a_problem(tmp_path):
    made = shop()
    made.point(made.kept[-1][0], session_id="another")
    made.write(tmp_path)
    assert said(tmp_path) == ALL
    assert reasons(tmp_path)[0].startswith("CURRENT names a generation of another session")


def test_another_store_format_is_refused_and_a_higher_minor_is_not(tmp_path):
    made = shop()
    made.point(made.kept[-1][0], store_format_minor=99)
    assert said(made.write(tmp_path)) == ALL
    made.point(made.kept[-1][0], store_format="mistral.vibe.unified-session-store/v2")
    made.write(tmp_path)
    assert said(tmp_path) == []
    assert reasons(tmp_path) == [
        "CURRENT names the store format 'mistral.vibe.unified-session-store/v2', which is not known here"
    ]


def test_without_any_whole_generation_every_intact_entry_is_put_together(tmp_path):
    made = shop()
    for name, _, _ in made.kept:
        made.files[f"generations/{name}/manifest.json"] = b"{"
    made.write(tmp_path)
    assert said(tmp_path) == ALL
    assert all("put together" in problem for problem in reasons(tmp_path))


def shared_chunk():
    """A store whose generations share their only chunk, so that its damage cannot be made good."""
    made = (
        Store()
        .turn("one", "Fix it.", "I look.", RUN, "Fixed.")
        .turn("two", "Why?", "Let me see.", RUN, "So.")
    )
    made.publish()
    made.record("two", "core_input", {})
    made.publish()
    return made


@pytest.mark.parametrize(
    ("behind", "turns"),
    [
        ('"text":"So."', [("Fix it.", "Fixed.")]),
        ('"text":"Let me see."', [("Fix it.", "Fixed.")]),
        ('"text":"Why?"', [("Fix it.", "Fixed.")]),
        ('"text":"Fixed."', []),
        ('"toolName":"file_system.bash"', []),
    ],
)
def test_of_a_torn_chunk_the_turns_are_kept_that_are_surely_whole(tmp_path, behind, turns):
    made = shared_chunk()
    name = last_chunk(made)
    text = made.files[name].decode()
    made.files[name] = text[: text.index(behind) + len(behind)].encode()
    made.write(tmp_path)
    assert said(tmp_path) == turns


def test_a_chunk_torn_behind_its_last_entry_keeps_the_turn_that_was_completed(tmp_path):
    made = shared_chunk()
    name = last_chunk(made)
    made.files[name] = made.files[name].rstrip(b"]\n")
    made.write(tmp_path)
    assert said(tmp_path) == [("Fix it.", "Fixed."), ("Why?", "So.")]


def test_a_torn_last_line_of_the_journal_is_a_problem_and_the_lines_before_it_are_kept(tmp_path):
    made = shop()
    made.turn("four", "Push it.", "Pushed.")
    made.files[made.segment] = made.files[made.segment][:-30]
    made.write(tmp_path)
    assert said(tmp_path) == ALL
    [problem] = reasons(tmp_path)
    assert problem == f"{made.segment}, line 8: a record that is cut off; the rest was kept"


def test_damage_to_other_records_of_the_journal_costs_nothing(tmp_path):
    made = shop()
    lines = made.files[made.segment].splitlines(keepends=True)
    made.files[made.segment] = b"".join(
        line[:40] + b"\n" if b"core_input" in line else line for line in lines
    )
    made.write(tmp_path)
    assert said(tmp_path) == ALL
    assert len(reasons(tmp_path)) == 2


def test_a_journal_that_ends_too_early_lets_no_earlier_text_answer(tmp_path):
    made = Store().turn("one", "Fix it.", "Fixed.")
    made.publish()
    made.turn("two", "And the tests?", "I look.", RUN, "They pass.")
    before = made.segment
    made.publish()
    made.turn("three", "Commit it.", "Done.")
    lines = made.files[before].splitlines(keepends=True)
    made.files[before] = b"".join(lines[:4])  # up to “I look.”
    made.files[last_chunk(made)] = b"["
    made.write(tmp_path)
    assert said(tmp_path) == [("Fix it.", "Fixed."), ("Commit it.", "Done.")]


def test_where_the_journal_ends_too_early_the_rest_of_a_torn_chunk_serves(tmp_path):
    made = Store().turn("one", "Fix it.", "Fixed.")
    made.publish()
    made.turn("two", "And the tests?", "They pass.")
    before = made.segment
    made.publish()
    made.files[before] = made.files[before][: made.files[before].index(b"\n") + 1]
    made.files[last_chunk(made)] = made.files[last_chunk(made)][:-2]
    made.write(tmp_path)
    assert said(tmp_path) == [("Fix it.", "Fixed."), ("And the tests?", "They pass.")]
    assert reasons(tmp_path)[1:] == [f"{made.segment} does not follow on what was written before it"]


def journal_without(made, first, last, instead=()):
    lines = made.files[made.segment].splitlines(keepends=True)
    made.files[made.segment] = b"".join([*lines[:first], *instead, *lines[last:]])
    return made


@pytest.mark.parametrize("trace", [[], [b"\0" * 50 + b"\n"]])
@pytest.mark.parametrize("counted", [True, False])
def test_lines_lost_from_the_journal_let_no_earlier_text_answer(tmp_path, trace, counted):
    made = Store().turn("one", "Fix it.", "I look.", RUN, "Fixed.").turn("two", "Why?", "So.")
    if not counted:  # as if deltas had no numbers
        made.files[made.segment] = re.sub(rb',"watermark":\d+', b"", made.files[made.segment])
    journal_without(made, 4, 10, trace).write(tmp_path)
    if counted or trace:
        assert said(tmp_path) == [("Why?", "So.")]


def test_records_that_are_in_the_snapshot_already_are_not_replayed(tmp_path):
    made = Store().turn("one", "Fix it.", "I look.", RUN, "Fixed.")
    before = made.segment
    made.publish()
    made.files[before] = b"".join(made.files[before].splitlines(keepends=True)[:4])
    manifest = made.files[current(made, "manifest.json")].replace(made.segment.encode(), before.encode())
    made.files[current(made, "manifest.json")] = manifest
    made.point(made.kept[-1][0])
    made.write(tmp_path)
    assert said(tmp_path) == [("Fix it.", "Fixed.")]


def without_manifests(made, *also):
    gone = ("manifest.json", *also)
    made.files = {name: data for name, data in made.files.items() if not any(part in name for part in gone)}
    return made


@pytest.mark.parametrize("number", range(6))  # the order of chunks is that of their digests
def test_of_an_entry_that_is_found_twice_the_later_state_counts(tmp_path, number):
    made = Store()
    made.append(
        "one", {"type": "message", "role": "user", "source": "turn_start", "content": parts(f"Fix {number}.")}
    )
    detail = {"kind": "tool", "toolName": "file_system.bash", "input": {"command": "pytest"}}
    effect = made.append("one", {"type": "effect", "detail": detail, "state": {"status": "running"}})
    made.publish()
    made.replace("one", {**effect, "state": succeeded(returncode=0)})
    answer = {"type": "message", "role": "assistant", "source": "harness", "content": parts("Fixed.")}
    made.append("one", answer, "completed")
    made.publish()
    without_manifests(made, "journal/").write(tmp_path)
    assert [actions(document) for document in tell(tmp_path)[0]] == ['bash "pytest" (exit 0)']


def test_amid_pieces_a_lost_line_of_the_journal_lets_no_earlier_text_answer(tmp_path):
    made = Store().turn("one", "Fix it.", "I look.", RUN, "Fixed.").turn("two", "Why?", "So.")
    journal_without(made, 5, 10, [b"\0" * 50 + b"\n"])
    without_manifests(made).write(tmp_path)
    assert said(tmp_path) == [("Why?", "So.")]
