"""The steps of a unified session: from what the model was sent, and where that is gone from the history."""

import json

import pytest

from loaders.vibe.turns import Said
from tests.conftest import ROOT, SHARED
from tests.loaders.stepped import only_turn, sessions, shown
from tests.loaders.store import RUN, Store, digest, encoded, failed, parts, succeeded, user_entry

WHOLE = SHARED / "fixtures" / "vibe"
TRIMMED = ROOT / "tests" / "loaders" / "vibe" / "3.0.2"

EDIT = (
    "search_replace",
    {"file_path": "a", "content": [{"old_str": "x", "new_str": "y", "replace_all": True}]},
)


def test_a_stores_history_is_told_as_calls_of_the_models_own_tools(tmp_path):
    made = Store()
    steps = (
        "I look.",
        ("read_file", {"path": "a"}, failed("none")),
        RUN,
        "Now I edit.",
        (*EDIT, succeeded(file="a")),
        "Done.",
    )
    turn = only_turn(made.turn("one", "Fix it.", *steps).write(tmp_path))
    error = '{"name":"tool_failed","message":"none","details":null}'
    edit = {"file_path": "a", "old_string": "x", "new_string": "y", "replace_all": True}
    assert [shown(step) for step in turn.steps] == [
        ("said", "I look.", [("read_file", {"path": "a"})]),
        ("done", "read_file", f'{{"result":{{"type":"error","error":{error}}}}}'),
        ("said", "", [("bash", {"command": "pytest"})]),
        ("done", "bash", '{"returncode":1,"stderr":"","stdout":"1 failed"}'),
        ("said", "Now I edit.", [("edit", edit)]),
        ("done", "edit", '{"file":"a"}'),
        ("said", "Done.", []),
    ]
    assert turn.flaw is None


def effect(**detail):
    return {"type": "effect", "detail": {"kind": "tool", **detail}, "state": succeeded(a=1)}


IMAGE = {**user_entry("one", "See?"), "content": [*parts("See?"), {"type": "image"}], "id": "u2"}
FLAWS = [
    ("indirect", effect(toolName="agents.spawn", kind="subagent", input={"task": "survey"})),
    ("indirect", effect(toolName="self.wait", input={"timeout_ms": 1})),
    ("indirect", effect(toolName="file_system.search_replace", input={"content": [{}, {}]})),
    ("steered", user_entry("one", "No, the other one.", source="turn_steer")),
    ("image", IMAGE),
]


@pytest.mark.parametrize(("flaw", "entry"), FLAWS)
def test_what_a_history_cannot_tell_as_the_model_did_it_is_a_flaw(flaw, entry, tmp_path):
    assert only_turn(Store().turn("one", "Fix it.", entry, "Done.").write(tmp_path)).flaw == flaw


@pytest.mark.parametrize(
    "latest",
    [{"status": "failed"}, {"status": "interrupted"}, {"status": "completed", "stopReason": "length"}],
)
def test_a_turn_that_was_stopped_is_told_as_that(latest, tmp_path):
    made = Store().turn("one", "Fix it.", "Done.").turn("two", "And this?", "Well, I")
    made.latest |= latest
    made.publish()
    [session] = sessions(made.write(tmp_path))
    assert [turn.flaw for turn in session.turns] == [None, "stopped"]


def test_of_a_history_that_was_put_together_nobody_knows_which_calls_are_lost(tmp_path):
    made = Store().turn("one", "Fix it.", RUN, "Done.").turn("two", "And this?", "Done too.")
    made.publish()
    made.publish()
    [chunk] = [name for name in made.files if name.startswith("chunks/")]
    [effect] = [encoded(entry) for entry in made.entries.values() if entry["type"] == "effect"]
    made.files[chunk] = made.files[chunk].replace(effect, bytes(len(effect)))
    [session] = sessions(made.write(tmp_path))
    assert [(turn.answer, turn.flaw) for turn in session.turns] == [
        ("Done.", "damaged"),
        ("Done too.", "damaged"),
    ]


def said(text, *calls):
    given = [
        {"type": "tool_call", "id": name, "name": to, "arguments": {"type": "json", "raw": raw}}
        for name, to, raw in calls
    ]
    return {"role": "assistant", "content": [*parts(text), *given] if text else given}


def did(name, call, text):
    return {"role": "tool", "name": name, "tool_call_id": call, "content": parts(text), "outcome": "success"}


def sent(made, *turns, source="history"):
    """Publish with a checkpoint that holds these turns, each a list of messages."""
    entries = [
        {"message": message, "source": source, "turn_index": at}
        for at, turn in enumerate(turns)
        for message in turn
    ]
    made.publish()
    name = made.kept[-1][0]
    chunk = encoded(entries)
    checkpoint = encoded({"context": {"messages": []}})
    made.files[f"chunks/{digest(chunk)}.json"] = chunk
    made.files[f"generations/{name}/checkpoint.json"] = checkpoint
    manifest = json.loads(made.files[f"generations/{name}/manifest.json"])
    manifest["checkpoint"] = {
        "path": "checkpoint.json",
        "sha256": digest(checkpoint),
        "chunks": [digest(chunk)],
    }
    made.files[f"generations/{name}/manifest.json"] = encoded(manifest)
    made.point(name)
    return made


def asking(text):
    return {"role": "user", "content": parts(text)}


SPAWN = effect(toolName="agents.spawn", kind="subagent", input={"task": "survey"})
PROGRAM = [
    asking("Survey it."),
    said("", ("c7", "run_typescript", '{"code": "spawn()"}')),
    did("run_typescript", "c7", "{}"),
    said("Done."),
]


def test_what_the_model_was_sent_is_told_rather_than_what_the_client_did(tmp_path):
    made = Store().turn("one", "Survey it.", SPAWN, "Done.")
    turn = only_turn(sent(made, PROGRAM).write(tmp_path))
    assert [shown(step)[:2] for step in turn.steps] == [
        ("said", ""),
        ("done", "run_typescript"),
        ("said", "Done."),
    ]
    assert turn.steps[0].calls[0].arguments == '{"code": "spawn()"}'
    assert turn.flaw is None


@pytest.mark.parametrize("change", ["injected", "summary", "other", "torn"])
def test_a_turn_that_was_not_sent_whole_keeps_the_history(change, tmp_path):
    made = Store().turn("one", "Survey it.", SPAWN, "Done.")
    turn = [asking("An older one."), *PROGRAM] if change == "summary" else PROGRAM
    turn = [asking("Something else."), *PROGRAM[1:]] if change == "other" else turn
    made = sent(made, turn, source="injection" if change == "injected" else "history")
    if change == "torn":
        [name] = [name for name, data in made.files.items() if b"run_typescript" in data]
        made.files[name] = made.files[name][:-20]
    assert only_turn(made.write(tmp_path)).flaw == "indirect"


def test_of_equal_turns_the_latest_are_those_that_were_sent(tmp_path):
    made = Store()
    for name in ("one", "two", "three"):
        made.turn(name, "Survey it.", SPAWN, "Done.")
    [session] = sessions(sent(made, PROGRAM, PROGRAM).write(tmp_path))
    assert [turn.flaw for turn in session.turns] == ["indirect", None, None]


@pytest.mark.skipif(not WHOLE.is_dir(), reason="the whole fixtures are not here")
@pytest.mark.parametrize(
    ("scenario", "request_"), [("python-bug", 8), ("secret", 3), ("tool-error", 4), ("git-rebase", 2)]
)
def test_the_steps_of_real_sessions_are_what_the_server_was_sent(scenario, request_):
    """The last request holds everything but its own answer."""
    captured = json.loads((WHOLE / "captures" / scenario / f"req-{request_:03}.json").read_text())["body"]
    body = json.loads(captured) if isinstance(captured, str) else captured
    [root] = (WHOLE / "logs").glob(f"*/{scenario}")
    turns = max((session.turns for session in sessions(root)), key=len)
    told = []
    for turn in turns:
        told += [("user", turn.seen), *map(shown, turn.steps)]
    wire = []
    for message in body["messages"]:
        calls = [
            (call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in message.get("tool_calls", [])
        ]
        if message["role"] == "tool":
            wire.append(("done", message["name"], message["content"]))
        elif message["role"] != "system":
            wire.append(
                ("user", message["content"])
                if message["role"] == "user"
                else ("said", message.get("content", ""), calls)
            )
    assert told[:-1] == wire
    assert isinstance(turns[-1].steps[-1], Said)


@pytest.mark.skipif(not WHOLE.is_dir(), reason="the whole fixtures are not here")
@pytest.mark.parametrize("scenario", ["python-bug", "spanish", "secret", "cors", "tool-error"])
def test_a_history_tells_the_steps_of_real_sessions_as_they_were_sent(scenario):
    """The trimmed copies lack what was sent."""
    told = [sessions(root / scenario) for root in (WHOLE / "logs" / "3.0.2", TRIMMED)]
    sent_steps, steps = ([turn.steps for [session] in [one] for turn in session.turns] for one in told)
    assert [list(map(shown, turn)) for turn in steps] == [list(map(shown, turn)) for turn in sent_steps]
    assert steps != sent_steps  # so that they do come from two places: the ids of calls differ
