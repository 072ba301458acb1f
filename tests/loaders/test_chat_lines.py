import json

import pytest

from tests.loaders.told import said, tell

TURN = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
MORE = [{"role": "user", "content": "And?"}, {"role": "assistant", "content": "So."}]


def write(root, *records, name="chat.jsonl"):
    (root / name).write_text("".join(json.dumps(record) + "\n" for record in records))
    return root / name


def metadata(root):
    return [document.metadata for document in tell(root)[0]]


def test_a_message_a_line_is_one_session(tmp_path):
    write(tmp_path, {"role": "system", "content": "SYSTEM"}, *TURN, *MORE)
    assert said(tmp_path) == [("Why?", "Because."), ("And?", "So.")]
    first, second = metadata(tmp_path)
    assert first["session_id"] == second["session_id"]
    assert (first["agent"], first["format"], first["time"]) == ("openai", "jsonl", None)


def test_a_conversation_a_line_is_a_session_each(tmp_path):
    write(tmp_path, {"messages": TURN}, {"id": "b", "messages": MORE}, {"messages": []})
    first, second = metadata(tmp_path)
    assert first["session_id"] != second["session_id"] == "b"


def test_the_session_is_named_by_its_content_and_never_by_its_place(tmp_path):
    write(tmp_path, *TURN, *MORE)
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", *TURN, name="copy.txt")
    assert len({row["session_id"] for row in metadata(tmp_path)}) == 1
    assert len(metadata(tmp_path)) == 2


@pytest.mark.parametrize("name", ["session_id", "conversation_id"])
def test_messages_that_name_their_session_are_told_apart(tmp_path, name):
    one, two = TURN, MORE
    mixed = [{name: "x", **one[0]}, {name: "y", **two[0]}, {name: "x", **one[1]}, {name: "y", **two[1]}]
    write(tmp_path, *mixed)
    assert said(tmp_path) == [("Why?", "Because."), ("And?", "So.")]
    assert [row["session_id"] for row in metadata(tmp_path)] == ["x", "y"]


@pytest.mark.parametrize("name", ["cwd", "project", "working_directory"])
def test_the_project_model_and_title_are_read_where_they_are(tmp_path, name):
    write(tmp_path, {name: "/home/dev/shop", "model": "qwen3", "title": "Reasons", "messages": TURN})
    [row] = metadata(tmp_path)
    assert (row["project"], row["model"], row["title"]) == ("/home/dev/shop", "qwen3", "Reasons")


@pytest.mark.parametrize("name", ["timestamp", "created_at", "created", "time"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("2026-11-22T01:26:05+02:00", "2026-11-21T23:26:05.000Z"),
        ("2026-11-22T01:26:05Z", "2026-11-22T01:26:05.000Z"),
        ("2026-11-22 01:26:05", "2026-11-22T01:26:05.000Z"),
        (1795310638, "2026-11-22T01:23:58.000Z"),
        (1795310638.714, "2026-11-22T01:23:58.714Z"),
        (1795310638714, "2026-11-22T01:23:58.714Z"),
        ("1795310638", "2026-11-22T01:23:58.000Z"),
        ("yesterday", None),
        (1e300, None),
        (True, None),
        (float("nan"), None),
        ([], None),
    ],
)
def test_the_time_is_that_of_the_message_or_of_the_conversation(tmp_path, name, value, shown):
    write(tmp_path, {name: value, "messages": TURN})
    write(tmp_path, {"role": "user", "content": "Now?", name: value}, MORE[1], name="b.jsonl")
    assert [row["time"] for row in metadata(tmp_path)] == [shown, shown]


def test_records_with_metadata_of_their_own_are_conversations_nevertheless(tmp_path):
    record = {"metadata": {"session_id": "x"}, "messages": TURN}
    write(tmp_path, record, record | {"messages": MORE})
    assert said(tmp_path) == [("Why?", "Because."), ("And?", "So.")]


def test_tools_are_read_as_in_the_agents_logs(tmp_path):
    call = {"id": "c1", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
    result = {"role": "tool", "tool_call_id": "c1", "content": "a.py"}
    old = {
        "role": "assistant",
        "content": None,
        "function_call": {"name": "grep", "arguments": '{"pattern": "x"}'},
    }
    messages = [TURN[0], {"role": "assistant", "tool_calls": [call]}, result, old, TURN[1]]
    write(tmp_path, {"messages": messages})
    assert tell(tmp_path)[0][0].page_content.endswith('Actions: bash "ls"; grep "x"')


def test_a_damaged_conversation_costs_no_other(tmp_path):
    path = write(tmp_path, {"messages": TURN}, {"messages": MORE}, {"messages": TURN[:1]})
    text = path.read_text()
    path.write_text(text.replace('"So."', '"So.'))
    found, left_out, problems = tell(tmp_path)
    assert [document.metadata["question"] for document in found] == ["Why?"]
    assert left_out == {}
    assert problems == [("chat.jsonl", "line 2: a damaged record; the rest was kept")]


def test_records_of_another_kind_between_the_messages_are_passed_over(tmp_path):
    write(tmp_path, {"type": "session", "version": 1}, TURN[0], {"type": "usage", "tokens": 5}, TURN[1])
    assert said(tmp_path) == [("Why?", "Because.")]
    assert tell(tmp_path)[2] == []
