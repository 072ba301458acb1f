"""The steps of turns where a reader is asked to keep them: what the model saw, called and was answered."""

import json

import pytest

from tests.loaders.spoken import WRAPPER, assistant, folder_2x, tool, user
from tests.loaders.stepped import only_turn, sessions, shown

ASKED = ("bash", {"command": "make"})


def folder(root, *lines, session="s1", **meta):
    place = root / f"session_20261101_000000_{session}"
    place.mkdir(parents=True)
    (place / "meta.json").write_text(json.dumps(folder_2x(session, **meta)))
    (place / "messages.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


TOLD = [
    user("Build it.", "k1"),
    assistant("I build.", ("c1", *ASKED)),
    tool("bash", "c1", "built"),
    assistant("Built."),
]


def test_without_being_asked_a_reader_keeps_none(tmp_path):
    folder(tmp_path, *TOLD, tools_available=[{"type": "function"}])
    [session] = sessions(tmp_path, steps=False)
    assert (session.turns[0].steps, session.turns[0].seen, session.tools) == (None, None, [])


def test_a_folder_tells_every_message_and_the_tools(tmp_path):
    folder(tmp_path, *TOLD, tools_available=[{"type": "function"}, "damaged"])
    [session] = sessions(tmp_path)
    assert session.tools == [{"type": "function"}]
    assert [shown(step) for step in session.turns[0].steps] == [
        ("said", "I build.", [("bash", {"command": "make"})]),
        ("done", "bash", "built"),
        ("said", "Built.", []),
    ]
    assert session.turns[0].steps[0].calls[0].id == session.turns[0].steps[1].call == "c1"


@pytest.mark.parametrize("form", ["1.x", "lines", "conversation"])
def test_the_other_formats_of_messages_tell_the_same(form, tmp_path):
    tools = [{"type": "function"}]
    if form == "1.x":
        whole = {"metadata": {"session_id": "s", "tools_available": tools}, "messages": TOLD}
        (tmp_path / "session_20261101_000000_s.json").write_text(json.dumps(whole))
    elif form == "conversation":
        (tmp_path / "chats.jsonl").write_text(json.dumps({"messages": TOLD, "tools": tools}))
    else:
        (tmp_path / "chats.jsonl").write_text("".join(json.dumps(line) + "\n" for line in TOLD))
    [session] = sessions(tmp_path)
    folder(tmp_path / "other", *TOLD)
    assert session.turns[0].steps == only_turn(tmp_path / "other").steps
    assert session.tools == ([] if form == "lines" else tools)


def test_a_compacted_turn_goes_on_with_the_steps_of_the_next_session(tmp_path):
    folder(tmp_path, *TOLD[:3], session="s1")
    folder(
        tmp_path,
        user(WRAPPER.replace("Print v2.", "Build it."), injected=True),
        *TOLD[3:],
        session="s2",
        parent_session_id="s1",
    )
    first, _ = sessions(tmp_path)
    assert [shown(step)[:2] for step in first.turns[0].steps] == [
        ("said", "I build."),
        ("done", "bash"),
        ("said", "Built."),
    ]


def test_an_image_and_what_the_model_saw_instead_of_what_was_typed_are_told(tmp_path):
    content = [{"type": "text", "text": "Build it."}, {"type": "image_url", "image_url": {"url": "data:"}}]
    folder(tmp_path / "a", TOLD[0] | {"content": content}, *TOLD[1:])
    folder(tmp_path / "b", user("Build it: all of it.", "k1", user_display_content="/build"), *TOLD[1:])
    assert only_turn(tmp_path / "a").flaw == "image"
    turn = only_turn(tmp_path / "b")
    assert (turn.user, turn.seen, turn.flaw) == ("/build", "Build it: all of it.", None)


def test_a_damaged_message_is_a_step_that_is_lost(tmp_path):
    folder(tmp_path, *TOLD)
    [path] = tmp_path.rglob("messages.jsonl")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1], lines[2][:30], lines[3]]) + "\n")
    assert [shown(step)[0] for step in only_turn(tmp_path).steps] == ["said", "lost", "said"]
