"""Damaged places between messages: to which question the answer after them belongs."""

import json

import pytest

from tests.loaders.folders import LOOK, SEEN, write
from tests.loaders.spoken import assistant, tool, user
from tests.loaders.told import said, tell

TORN_USER = '{"role": "user", "content": "And wh'
TORN_ASSISTANT = '{"role": "assistant", "content": "I wi'
TORN_TOOL = '{"role": "tool", "content": "stdout'
TORN_REMINDER = '{"role": "user", "injected": true, "content": "Be br'
NULS = "\0" * 60


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        # After a place that may have held a question, an answer is nobody's.
        ([user("Why?"), NULS, assistant("So.")], []),
        ([user("Why?"), TORN_USER, assistant("So.")], []),
        ([user("Why?"), LOOK, NULS, assistant("So.")], []),
        ([user("Why?"), assistant("Because."), NULS, assistant("So.")], [("Why?", "Because.")]),
        ([user("Why?"), assistant("Because."), TORN_USER, assistant("So.")], [("Why?", "Because.")]),
        ([NULS, assistant("So."), user("Why?"), assistant("Because.")], [("Why?", "Because.")]),
        # A damaged message of the assistant or a tool is one of the same turn …
        ([user("Why?"), TORN_ASSISTANT, assistant("Because.")], [("Why?", "Because.")]),
        ([user("Why?"), LOOK, TORN_TOOL, assistant("Because.")], [("Why?", "Because.")]),
        # … and may have been its answer.
        ([user("Why?"), assistant("Wait."), TORN_ASSISTANT], []),
        # A result that fits a call before the damage shows that the turn went on.
        (
            [
                user("Why?"),
                assistant(None, ("c1", "read", {}), ("c2", "read", {})),
                NULS,
                tool("read", "c2", "content: y"),
                assistant("Because."),
            ],
            [("Why?", "Because.")],
        ),
        ([user("Why?"), LOOK, SEEN, NULS, tool("read", "c1", "again"), assistant("So.")], []),
        # A reminder that is damaged asks nothing.
        (
            [user("Why?"), LOOK, SEEN, TORN_REMINDER, assistant("Because.")],
            [("Why?", "Because.")],
        ),
        ([user("Why?"), LOOK, TORN_USER, SEEN, assistant("So.")], []),
        # Where nothing can have been lost, nothing is.
        ([user("Why?"), "Traceback (most recent call last):", assistant("Because.")], [("Why?", "Because.")]),
        ([user("Why?"), json.dumps(LOOK) + json.dumps(SEEN), assistant("Because.")], [("Why?", "Because.")]),
        ([user("Why?"), "\0" * 9, assistant("Because.")], [("Why?", "Because.")]),
        # A message whose role cannot be read may have been a question.
        ([user("Why?"), {"role": "usher", "content": "And?"}, assistant("So.")], []),
        # Two questions in one damaged place.
        ([user("Why?"), TORN_ASSISTANT + TORN_USER, assistant("So.")], []),
    ],
)  # fmt: skip
def test_damage_never_gives_one_question_the_answer_of_another(tmp_path, messages, turns):
    write(tmp_path, messages)
    assert said(tmp_path) == turns
    assert len(tell(tmp_path)[2]) == 1
