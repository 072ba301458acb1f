import json

import pytest

from tests.loaders.spoken import assistant, tool, user
from tests.loaders.told import said, tell

METADATA = {
    "session_id": "22222222-0000-4000-8000-000000000000",
    "start_time": "2026-11-22T01:26:05.330491",
    "git_branch": "main",
    "environment": {"working_directory": "/home/dev/shop"},
    "agent_config": {"active_model": "local", "models": [{"name": "devstral", "alias": "local"}]},
}
TURNS = [user("Why?"), assistant("Because."), user("And?"), assistant("So.")]


def write(root, messages=TURNS, name="session_20261122_012605_22222222.json", indent=2, **metadata):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"metadata": METADATA | metadata, "messages": messages}, indent=indent))
    return path


def test_a_second_file_that_repeats_the_first_adds_only_what_is_new(tmp_path):
    write(tmp_path, TURNS[:2])
    write(tmp_path, TURNS, "later.json", session_id="other", start_time="2026-11-23T01:26:05")
    found, _, problems = tell(tmp_path)
    assert [document.metadata["session_id"][:5] for document in found] == ["22222", "other"]
    assert problems == []


def test_who_asks_the_same_twice_keeps_both(tmp_path):
    write(tmp_path, [*TURNS[:2], *TURNS[:2]])
    write(tmp_path, [*TURNS[:2], *TURNS[:2]], "copy.json", session_id="other")
    assert said(tmp_path) == [("Why?", "Because."), ("Why?", "Because.")]


def test_the_same_words_in_another_project_are_another_turn(tmp_path):
    write(tmp_path, TURNS[:2])
    write(tmp_path, TURNS[:2], "b.json", environment={"working_directory": "/home/dev/other"})
    assert len(said(tmp_path)) == 2


def test_the_model_is_named_by_its_own_name_and_the_branch_is_kept(tmp_path):
    write(tmp_path)
    metadata = tell(tmp_path)[0][0].metadata
    assert (metadata["model"], metadata["branch"], metadata["title"]) == ("devstral", "main", None)


@pytest.mark.parametrize("indent", [2, None])
def test_a_file_cut_off_keeps_every_whole_message(tmp_path, indent):
    path = write(tmp_path, indent=indent)
    text = path.read_text()
    path.write_text(text[: text.index("So.")])
    assert said(tmp_path) == [("Why?", "Because.")]
    assert len(tell(tmp_path)[2]) == 1


def test_a_file_cut_off_between_two_messages_is_a_problem_too(tmp_path):
    path = write(tmp_path)
    text = path.read_text()
    path.write_text(text[: text.index("And?")].rpartition("{")[0])
    assert said(tmp_path) == [("Why?", "Because.")]
    assert [reason.partition(": ")[2] for _, reason in tell(tmp_path)[2]] == [
        "cut off between two records; the rest was kept"
    ]


@pytest.mark.parametrize("sign", "x0")
def test_a_stray_sign_before_a_message_costs_nothing(tmp_path, sign):
    path = write(tmp_path)
    text = path.read_text()
    at = text.rindex("\n    {")
    path.write_text(text[:at] + f"{sign}   {{" + text[at + 6 :])
    assert len(said(tmp_path)) == 2


@pytest.mark.parametrize("indent", [2, None])
def test_a_message_damaged_in_the_middle_costs_its_own_turn(tmp_path, indent):
    path = write(tmp_path, indent=indent)
    path.write_text(path.read_text().replace('"Because."', '"Because.'))
    found, left_out, problems = tell(tmp_path)
    assert [document.metadata["question"] for document in found] == ["And?"]
    assert left_out == {"incomplete": 1}
    assert len(problems) == 1


def test_an_answer_after_a_damaged_question_is_nobodys(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text().replace('"And?"', '"And?'))
    assert said(tmp_path) == [("Why?", "Because.")]


def test_a_list_of_messages_inside_a_damaged_one_is_not_taken_for_more(tmp_path):
    inner = {"messages": [{"role": "user", "content": "inner"}, {"role": "assistant", "content": "inner"}]}
    call = assistant(None, ("c1", "ask", {}))
    path = write(tmp_path, [TURNS[0], call, tool("ask", "c1", "BROKEN") | {"result": inner}, *TURNS[1:]])
    path.write_text(path.read_text().replace('"BROKEN"', '"BROKEN'))
    assert said(tmp_path) == [("And?", "So.")]


@pytest.mark.parametrize(
    ("before", "after", "project"),
    [
        ('"session_id"', '"session_id', "/home/dev/shop"),
        ('"/home/dev/shop"', '"/home/dev/shop', None),
        ('"metadata": {', '"metadata": ', "/home/dev/shop"),
    ],
)
def test_of_damaged_metadata_what_can_be_read_is_kept_and_all_messages_are(tmp_path, before, after, project):
    path = write(tmp_path)
    path.write_text(path.read_text().replace(before, after, 1))
    found, _, problems = tell(tmp_path)
    assert [document.metadata["project"] for document in found] == [project, project]
    assert [reason for _, reason in problems] == [
        "the metadata is damaged; what could be read of it was kept"
    ]


def test_a_file_cut_off_in_its_metadata_is_a_problem(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text()[:150])
    assert tell(tmp_path) == ([], {}, [(path.name, "cut off or damaged before its first message")])


@pytest.mark.parametrize("more", ["\n}", "trailing words", "\0\0\0"])
def test_what_stands_behind_the_end_costs_no_message(tmp_path, more):
    path = write(tmp_path)
    path.write_text(path.read_text() + more)
    assert len(said(tmp_path)) == 2
    assert [reason for _, reason in tell(tmp_path)[2]] == [
        "not whole JSON, though every message could be read"
    ]
