"""Turns and steps that teach nothing: left out of rows, and counted by reason."""

import pytest

from loaders.secrets.redactor import Redactor
from tests.loaders.spoken import assistant, tool, user
from tests.training.logged import asked, made, session, turn


@pytest.fixture(scope="module")
def redactor(model_cache):
    return Redactor(model_cache / "rules")


FAILED = "<tool_error>bash failed: returncode: 2\nstderr: no</tool_error>"


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("failed", turn("9", output=FAILED)),
        ("interrupted", turn("9", output="<user_cancellation>Stopped</user_cancellation>")),
        ("incomplete", turn("9")[:3]),
        ("image", [turn("9")[0] | {"images": ["data:…"]}, *turn("9")[1:]]),
        ("greeting", [user("Thanks!", "9"), assistant("You are welcome.")]),
    ],
)
def test_turns_that_teach_nothing_are_left_out_and_counted(why, told, tmp_path, redactor):
    session(tmp_path / "logs", 1, [*turn("1"), *told, *turn("2")])
    [row], facts = made(tmp_path / "logs", tmp_path / "rows.jsonl", redactor)
    assert [question.split()[3] for question in asked(row)] == ["1", "2"]
    assert facts["left_out"] == {why: 1}


def test_a_damaged_turn_is_left_out_though_it_was_answered(tmp_path, redactor):
    folder = session(tmp_path / "logs", 1, [*turn("1"), *turn("2")])
    lines = (folder / "messages.jsonl").read_text().splitlines()
    lines[6] = lines[6][:40]
    (folder / "messages.jsonl").write_text("\n".join(lines) + "\n")
    [row], facts = made(tmp_path / "logs", tmp_path / "rows.jsonl", redactor)
    assert [question.split()[3] for question in asked(row)] == ["1"]
    assert facts["left_out"] == {"damaged": 1}
    assert facts["problems"][0]["reason"].startswith("line 7")


def test_a_call_without_its_result_is_left_out_of_a_turn(tmp_path, redactor):
    told = turn("1")
    told[1]["tool_calls"].append(
        {"id": "c2", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    )
    told.insert(3, tool("read", "stray", "whose?"))
    session(tmp_path / "logs", 1, told)
    [row], facts = made(tmp_path / "logs", tmp_path / "rows.jsonl", redactor)
    assert [message["role"] for message in row["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert facts["repaired"] == {"a tool call without its result": 1, "a tool result without its call": 1}
