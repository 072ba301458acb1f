"""Sessions of Vibe 2.x that were compacted: one turn in several folders."""

import pytest

from tests.loaders.folders import CHILD, GRANDCHILD, ID, LOOK, SEEN, write
from tests.loaders.spoken import WRAPPER, assistant, tool, user
from tests.loaders.told import actions, said, tell

WRAPPED = user(WRAPPER, "w1", injected=True)


def compacted(root, *, quoted="Print v2.", parent=ID):
    """A turn that is compacted twice: its answer is in the third folder, which goes on with another one."""
    wrapper = user(WRAPPER.replace("Print v2.", quoted), "w1", injected=True)
    edit = assistant(None, ("c2", "edit", {"file_path": "a.py"}))
    write(
        root, [user("Hello there, who are you?", "u0"), assistant("A tool."), user("Print v2.", "u1"), LOOK]
    )
    write(root, [wrapper, SEEN, edit], CHILD, parent_session_id=parent)
    answer = [
        tool("edit", "c2", "file: a.py"),
        assistant("It prints v2."),
        user("And?", "u2"),
        assistant("So."),
    ]
    write(root, [wrapper, *answer], GRANDCHILD, parent_session_id=CHILD)


def test_a_turn_compacted_twice_is_joined(tmp_path):
    compacted(tmp_path)
    found, left_out, _ = tell(tmp_path)
    assert [document.metadata["turn"] for document in found] == ["u0", "u1", "u2"]
    assert said(tmp_path)[1] == ("Print v2.", "It prints v2.")
    assert actions(found[1]) == "read a.py; edit a.py"
    assert [document.metadata["session_id"] for document in found] == [ID, ID, GRANDCHILD]
    assert left_out == {}


def test_a_summary_that_ends_with_another_question_continues_another_turn(tmp_path):
    compacted(tmp_path, quoted="Delete it all.")
    assert [question for question, _ in said(tmp_path)] == ["Hello there, who are you?", "And?"]


def test_without_the_link_nothing_is_joined_and_nothing_invented(tmp_path):
    compacted(tmp_path, parent=None)
    assert [question for question, _ in said(tmp_path)] == ["Hello there, who are you?", "And?"]


def test_a_session_that_names_itself_as_its_parent_answers_itself_nothing(tmp_path):
    write(tmp_path, [WRAPPED, assistant("It prints v2."), user("Print v2.", "u1")], parent_session_id=ID)
    assert tell(tmp_path)[:2] == ([], {"incomplete": 1})


def test_a_child_that_does_not_begin_with_a_summary_continues_nothing(tmp_path):
    write(tmp_path, [user("Print v2.", "u1"), LOOK])
    write(tmp_path, [SEEN, assistant("It prints v2.")], CHILD, parent_session_id=ID)
    assert tell(tmp_path)[:2] == ([], {"incomplete": 1})


def test_a_turn_ends_with_the_next_question_in_the_child(tmp_path):
    summary = user("<compaction_summary>x</compaction_summary>", "w1", injected=True)
    write(tmp_path, [user("Print v2.", "u1"), LOOK])
    write(tmp_path, [summary, SEEN, user("Print v3.", "u2"), LOOK], CHILD, parent_session_id=ID)
    write(tmp_path, [summary, SEEN, assistant("It prints v3.")], GRANDCHILD, parent_session_id=CHILD)
    assert said(tmp_path) == [("Print v3.", "It prints v3.")]


def test_a_parent_without_its_meta_file_is_known_by_the_beginning_of_its_id(tmp_path):
    compacted(tmp_path)
    (tmp_path / f"session_20261122_012533_{ID[:8]}" / "meta.json").unlink()
    assert ("Print v2.", "It prints v2.") in said(tmp_path)


@pytest.mark.parametrize(
    "title", ["You are continuing a trajectory after a context co…", "Preamble\n<previous…"]
)
def test_the_beginning_of_a_summary_is_no_title(tmp_path, title):
    write(tmp_path, [WRAPPED, user("And?", "u2"), assistant("So.")], title=title)
    assert tell(tmp_path)[0][0].metadata["title"] is None
