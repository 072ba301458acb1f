"""Calls with their results and answers with their questions; what has no other half is left out."""

import json

import pytest

from training import dataset

ASK, ANSWER = (
    {"role": "user", "content": "What is the tide?"},
    {"role": "assistant", "content": "It is high."},
)
CALL = {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": '{"at": "noon"}'}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "high"}


@pytest.fixture
def read(tmp_path):
    """What is read of a row."""

    def reading(row):
        (tmp_path / "rows.jsonl").write_text(json.dumps(row))
        return dataset.read(tmp_path / "rows.jsonl")

    return reading


TWO = {**CALLS, "content": "I look.", "tool_calls": [CALL, {**CALL, "id": "c2"}]}


NO_RESULT, NO_CALL = "a tool call without its result", "a tool result without its call"
NO_ANSWER, NO_QUESTION = "a question without its answer", "an answer without its question"


@pytest.mark.parametrize(
    ("messages", "roles", "repaired"),
    [
        ([ASK, CALLS, ANSWER], "user assistant", {NO_RESULT: 1}),
        ([ASK, {**RESULT, "tool_call_id": "c9"}, ANSWER], "user assistant", {NO_CALL: 1}),
        ([ASK, TWO, RESULT, ANSWER], "user assistant tool assistant", {NO_RESULT: 1}),
        ([ASK, CALLS, RESULT, RESULT, ANSWER], "user assistant tool assistant", {NO_CALL: 1}),
        ([ASK, CALLS, ASK, RESULT, ANSWER], "user assistant", {NO_RESULT: 1, NO_CALL: 1}),
        ([ASK, ANSWER, ASK, CALLS], "user assistant", {NO_RESULT: 1, NO_ANSWER: 1}),
        ([ANSWER, ASK, ANSWER, ASK], "user assistant", {NO_QUESTION: 1, NO_ANSWER: 1}),
        ([ASK, ASK, ANSWER, ANSWER], "user assistant", {}),
    ],
)
def test_steps_without_their_other_half_are_left_out(messages, roles, repaired, read):
    data = read({"messages": messages})
    assert " ".join(message["role"] for message in data.rows[0].messages) == roles
    assert data.repaired == repaired


def test_results_find_their_calls_in_any_order_and_without_ids(read):
    calls = {
        **CALLS,
        "tool_calls": [CALL, {**CALL, "id": "c2", "function": {"name": "wind", "arguments": ""}}],
    }
    late = [{**RESULT, "tool_call_id": "c2", "content": "weak"}, RESULT]
    nameless = [{"role": "tool", "content": "high"}, {"role": "tool", "content": "weak"}]
    for results in (late, nameless):
        [row] = read({"messages": [ASK, calls, *results, ANSWER]}).rows
        assert [message["name"] for message in row.messages[2:4]] == ["tide", "wind"]
        assert [message["content"] for message in row.messages[2:4]] == ["high", "weak"]


@pytest.mark.parametrize(
    "call",
    [7, {}, {"function": 7}, {"function": {"name": ""}}, {"function": {"name": "f", "arguments": "{"}}],
)
def test_a_call_that_says_nothing_usable_is_left_out_with_its_result(call, read):
    data = read(
        {"messages": [ASK, {"role": "assistant", "content": None, "tool_calls": [call]}, RESULT, ANSWER]}
    )
    assert data.rows[0].messages == [ASK, ANSWER]
    assert data.repaired.total() == 2
