"""The key of a user's turn: the same for what a client resends in other clothes, another for other words."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.body import Chat
from proxy.conversation import keys

CALL = {"id": "1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a", "index": 1}'}}
MESSAGES = [
    {"role": "system", "content": "Today is Monday."},
    {"role": "user", "content": "Why does it leak?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "1", "content": "a worn seal"},
    {"role": "assistant", "content": "A seal is worn."},
    {"role": "user", "content": [{"type": "text", "text": "Which one?"}]},
]


def found(messages, owner="", place="/home/dev/shop"):
    """The keys of messages as they are read from a request."""
    return keys(Chat(json.dumps({"messages": messages}).encode()).messages, owner, place)


def changed(*steps):
    """The messages with another value at a place; `...` removes it."""
    messages = copy.deepcopy(MESSAGES)
    *way, last, value = steps
    at = messages
    for step in way:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return messages


def test_each_user_message_has_a_key_of_its_own():
    first, second = found(MESSAGES)[1], found(MESSAGES)[5]
    assert set(found(MESSAGES)) == {1, 5}
    assert first != second
    assert len(first) == len(second) == 64
    assert found(MESSAGES[:2]) == {1: first}


@pytest.mark.parametrize(
    "messages",
    [
        changed(0, "content", "Today is Tuesday; scratchpad: /tmp/x."),
        MESSAGES[1:],
        [*MESSAGES[:5], {"role": "developer", "content": "Be brief."}, MESSAGES[5]],
        changed(2, "content", ...),
        changed(2, "content", ""),
        changed(2, "content", []),
        changed(4, "tool_calls", []),
        changed(4, "refusal", None),
        changed(4, "reasoning_content", "I think"),
        changed(4, "reasoning", "I think"),
        changed(4, "thinking", {"signature": "x"}),
        changed(1, "message_id", "5db5"),
        changed(2, "tool_calls", 0, "index", 0),
        changed(2, "tool_calls", 0, dict(reversed(CALL.items()))),
        [dict(reversed(message.items())) for message in MESSAGES],
    ],
)
def test_what_clients_drop_add_or_reorder_changes_no_key(messages):
    assert list(found(messages).values()) == list(found(MESSAGES).values())


@pytest.mark.parametrize(
    "messages",
    [
        changed(1, "content", "Why does it leak"),
        changed(2, "tool_calls", 0, "id", "2"),
        changed(2, "tool_calls", 0, "function", "arguments", '{"path": "b", "index": 1}'),
        changed(2, "tool_calls", ...),
        changed(3, "content", "a worn seal "),
        changed(3, "name", "read"),
        changed(4, "content", "Nothing is worn."),
        changed(4, "role", "user"),
        changed(5, "content", "Which one?"),
        changed(5, "content", 0, "text", "which one?"),
        [*MESSAGES[:2], *MESSAGES[3:]],
        [MESSAGES[1], *MESSAGES],
    ],
)
def test_any_other_word_before_or_in_a_turn_changes_its_key(messages):
    assert max(found(messages).items())[1] != found(MESSAGES)[5]


def test_a_turn_belongs_to_its_owner_and_its_place():
    owners, places = ("", "ana", "bo"), ("", "/a", "/b", "anabo")
    assert len({found(MESSAGES, owner, place)[5] for owner in owners for place in places}) == 12
    assert found(MESSAGES, "a", "bc") != found(MESSAGES, "ab", "c")


def test_words_do_not_move_between_messages():
    assert found([MESSAGES[1], MESSAGES[1]])[1] != found([MESSAGES[1]])[0]
    one = [{"role": "user", "content": "ab"}, {"role": "user", "content": "c"}]
    other = [{"role": "user", "content": "a"}, {"role": "user", "content": "bc"}]
    assert found(one)[1] != found(other)[1]


def test_odd_text_and_numbers_have_keys():
    assert found([{"role": "user", "content": "\ud800 \0", "seed": 10**400, "p": 1e-7}])[0]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
SAYING = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system"])},
    optional={"content": VALUES.filter(lambda value: type(value) is not int), "x": VALUES},
)


@settings(deadline=None, database=None)
@given(st.lists(SAYING, max_size=6), st.lists(SAYING, max_size=3))
def test_what_is_said_later_changes_no_key(before, after):
    whole = found([*before, *after])
    assert {index: key for index, key in whole.items() if index < len(before)} == found(before)
