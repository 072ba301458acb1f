"""Rows from files as people have them: every usable one, and a reason for each that is not."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from errors import BadInput
from training import dataset
from training.row import fault

ASK, ANSWER = (
    {"role": "user", "content": "What is the tide?"},
    {"role": "assistant", "content": "It is high."},
)
CALL = {"id": "c1", "type": "function", "function": {"name": "tide", "arguments": '{"at": "noon"}'}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "high"}
IMAGE = {
    "role": "user",
    "content": [{"type": "text", "text": "See?"}, {"type": "image_url", "image_url": {"url": "x"}}],
}


@pytest.fixture
def read(tmp_path):
    """What is read of a file with these records, a line each."""

    def reading(*records, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in records))
        return dataset.read(path)

    return reading


def told(row):
    """A row's messages without what is the same in all of them."""
    return [(message["role"], message["content"]) for message in row.messages]


def test_instructions_with_outputs_are_questions_with_answers(read):
    rows = read(
        {"instruction": "Add.", "input": "1 2", "output": "3"},
        {"instruction": "Greet.", "input": "", "output": "Hello.", "system": "Be kind."},
        {"prompt": "Count.", "completion": 1},
        {"prompt": [ASK], "completion": [ANSWER]},
    ).rows
    assert [told(row) for row in rows] == [
        [("user", "Add.\n\n1 2"), ("assistant", "3")],
        [("system", "Be kind."), ("user", "Greet."), ("assistant", "Hello.")],
        [("user", "Count."), ("assistant", "1")],
        [("user", "What is the tide?"), ("assistant", "It is high.")],
    ]
    assert [row.session for row in rows] == [f"rows.jsonl:{number}" for number in (1, 2, 3, 4)]


def test_chats_are_read_as_openai_and_as_sharegpt_have_them(read):
    sharegpt = [
        {"from": "system", "value": "Be short."},
        {"from": "human", "value": "What is the tide?"},
        {"from": "function_call", "value": '{"name": "tide", "arguments": {"at": "noon"}}'},
        {"from": "observation", "value": "high"},
        {"from": "gpt", "value": "It is high."},
    ]
    openai = [{"role": "system", "content": "Be short."}, ASK, CALLS, RESULT, ANSWER]
    older = [
        *openai[:2],
        {"role": "assistant", "function_call": CALL["function"]},
        {"role": "function", "name": "tide", "content": "high"},
        ANSWER,
    ]
    written = json.dumps(openai)
    data = read({"conversations": sharegpt}, {"messages": openai}, {"messages": older}, {"messages": written})
    assert data.dropped == {dataset.REPEATED: 3}
    [row] = data.rows
    assert [message["role"] for message in row.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    [call] = row.messages[2]["tool_calls"]
    assert call == {
        "id": "call00001",
        "type": "function",
        "function": {"name": "tide", "arguments": '{"at": "noon"}'},
    }
    assert row.messages[3] == {"role": "tool", "content": "high", "tool_call_id": "call00001", "name": "tide"}


def test_what_rows_made_of_logs_keeps_its_session_and_tools(read):
    tools = [{"type": "function", "function": {"name": "tide", "parameters": {}}}]
    row = {"messages": [ASK, ANSWER], "tools": tools, "session": "s1", "project": "/p", "time": None}
    [one, other] = read(
        row, row | {"messages": [ASK, ANSWER, ASK, ANSWER], "tools": json.dumps([*tools, {}])}
    ).rows
    assert (one.session, one.tools) == (other.session, other.tools) == ("s1", tools)


def test_parts_of_text_are_text_and_anything_else_is_a_reason(read):
    parts = {
        "role": "user",
        "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "the tide?"}],
    }
    data = read(
        {"messages": [parts, ANSWER]},
        {"messages": [IMAGE, ANSWER]},
        {"messages": [ASK, ANSWER], "images": ["x"]},
    )
    assert told(data.rows[0])[0] == ("user", "What is\nthe tide?")
    assert data.dropped == {"an image, or another part that is no text": 2}


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ([1], "no JSON object"),
        ({"text": "words"}, "no messages, and no instruction with its output"),
        ({"instruction": "Add.", "output": {}}, "no output in words"),
        ({"messages": []}, "no messages"),
        ({"messages": {"role": "user"}}, "no messages"),
        ({"messages": ["words"]}, "a message that is none"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "a message without a known role"),
        ({"messages": [{"role": "user", "content": 7}, ANSWER]}, "a message whose content is no text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]},
            "a message whose content is no text",
        ),
        ({"messages": [{"role": "user", "content": " "}, ANSWER]}, "a question without words"),
        ({"messages": [ASK, {"role": "assistant", "content": ""}]}, "no answer to a question"),
        ({"messages": [ANSWER]}, "no answer to a question"),
    ],
)
def test_every_row_that_is_dropped_has_a_reason(record, why, read):
    data = read(record, {"messages": [ASK, ANSWER]})
    assert (len(data.rows), data.dropped) == (1, {why: 1})


NAMES = [
    "role",
    "content",
    "from",
    "value",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "id",
    "type",
    "text",
]
WORDS = st.text(max_size=3) | st.sampled_from(["user", "assistant", "tool", "{}", "\ud800"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
FIELDS = [
    "messages",
    "conversations",
    "instruction",
    "output",
    "input",
    "tools",
    "session",
    "prompt",
    "completion",
]


@settings(max_examples=200, deadline=None)
@given(records=st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4), max_size=4))
def test_fields_of_any_type_never_raise(records, tmp_path_factory):
    path = tmp_path_factory.mktemp("drawn") / "rows.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in [*records, {"messages": [ASK, ANSWER]}]))
    data = dataset.read(path)
    assert len(data.rows) + data.dropped.total() == len(records) + 1
    for row in data.rows:
        assert fault(row.messages) is None
        assert json.dumps([row.messages, row.tools, row.session], ensure_ascii=False).encode()


def test_halves_of_characters_are_in_no_field(read):
    tool = {"type": "function", "function": {"name": "f", "description": "\ud83d"}}
    [row] = read(
        {"messages": [ASK, ANSWER | {"thinking": "\ud83d"}], "session": "\ud83d", "tools": [tool]}
    ).rows
    assert (
        json.dumps([row.messages, row.tools, row.session], ensure_ascii=False).encode().count(b"\xef\xbf\xbd")
        == 3
    )


def test_what_is_not_there_or_holds_nothing_is_one_sentence(tmp_path, read):
    with pytest.raises(BadInput, match="There is no"):
        dataset.read(tmp_path / "nothing.jsonl")
    with pytest.raises(BadInput, match=r"rows\.jsonl holds nothing to learn from: it is empty\."):
        read()
    with pytest.raises(BadInput, match=r"1 no JSON, 1 no JSON object"):
        read("{", "7")
