"""What the rows of real logs and of made-up ones hold, and what they must not."""

import json
from collections import Counter

import pytest

from loaders.secrets.redactor import Redactor
from tests.conftest import ROOT, SHARED
from tests.loaders.spoken import assistant, tool, user
from tests.test_planted_secrets import PLANTED
from tests.training.logged import asked, made, names, session, turn
from training import dataset
from training.transcript import SYSTEM

TRIMMED = ROOT / "tests" / "loaders" / "vibe"
WHOLE = SHARED / "fixtures" / "vibe" / "logs"
FAKE = ("sk-test-51FAKEFAKE0000notARealKey9z8y7x6w5v4u", "hunter2-example")
HIDDEN = (
    "PLACEHOLDER",
    "Look at the code before changing",
    "FastAPI needs CORSMiddleware",
    "compaction_summary",
)


@pytest.fixture(scope="module")
def redactor(model_cache):
    return Redactor(model_cache / "rules")


@pytest.fixture(scope="module")
def whole(redactor, tmp_path_factory):
    if not WHOLE.is_dir():
        pytest.skip("the whole fixtures are not here: the trimmed ones prove all but what the model was sent")
    return made(WHOLE, tmp_path_factory.mktemp("rows") / "rows.jsonl", redactor)


@pytest.fixture(scope="module")
def trimmed(redactor, tmp_path_factory):
    return made(TRIMMED, tmp_path_factory.mktemp("rows") / "rows.jsonl", redactor)


def test_the_fixtures_give_every_complete_turn_once(whole):
    rows, facts = whole
    assert (facts["rows"], facts["turns"], facts["tool_calls"]) == (11, 18, 29)
    assert facts["left_out"] == {"incomplete": 2}
    assert (facts["dropped"], facts["repaired"]) == ({}, {})
    questions = Counter((row["project"], question) for row in rows for question in asked(row))
    assert questions.total() == 18
    assert set(questions.values()) == {1}
    told = [name for row in rows for name in row["sessions"]]
    assert len(told) == len(set(told)) == len(facts["sessions"]) == 15
    assert [problem["file"].split("/")[1] for problem in facts["problems"]] == [
        "truncated-1x", "truncated-2x", "truncated-3x",
    ]  # fmt: skip


def test_the_trimmed_fixtures_lack_only_the_turn_that_no_history_tells(trimmed):
    rows, facts = trimmed
    assert (facts["rows"], facts["turns"]) == (10, 17)
    assert facts["left_out"] == {"incomplete": 2, "indirect": 1}
    assert not any("Survey this project with a subagent." in asked(row) for row in rows)


@pytest.mark.parametrize("logs", ["whole", "trimmed"])
def test_no_fake_secret_and_no_word_of_the_client_is_in_a_row(logs, request):
    rows, facts = request.getfixturevalue(logs)
    text = json.dumps(rows, ensure_ascii=False)
    assert not any(secret in text for secret in FAKE)
    assert not any(hidden in text for hidden in HIDDEN)
    assert facts["redacted"] == 6
    systems = [
        message["content"] for row in rows for message in row["messages"] if message["role"] == "system"
    ]
    assert systems == [SYSTEM] * len(rows)


@pytest.mark.parametrize("logs", ["whole", "trimmed"])
def test_every_call_has_its_result_behind_it_and_every_row_is_read_again(logs, request, tmp_path):
    rows, _ = request.getfixturevalue(logs)
    for row in rows:
        waiting: list[str] = []
        seen: set[str] = set()
        for message in row["messages"]:
            if message["role"] == "tool":
                assert message["tool_call_id"] == waiting.pop(0)
            else:
                assert waiting == []
                waiting = [call["id"] for call in message.get("tool_calls", [])]
                assert seen.isdisjoint(waiting)
                seen.update(waiting)
                assert all(
                    isinstance(json.loads(call["function"]["arguments"]), dict)
                    for call in message.get("tool_calls", [])
                )
        assert waiting == []
        assert row["messages"][-1]["role"] == "assistant"
        assert not row["messages"][-1].get("tool_calls")
    path = tmp_path / "again.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = dataset.read(path)
    assert [list(row.messages) for row in data.rows] == [row["messages"] for row in rows]
    assert (data.dropped, data.repaired) == ({}, {})


def offer(name):
    """A tool as the client offers it, with one parameter that has the name of an explanation."""
    shown = {"type": "string", "description": "Long words.", "title": "Title"}
    schema = {"type": "object", "properties": {"description": shown}, "required": ["description"]}
    return {
        "type": "function",
        "function": {"name": name, "description": "Longer words.", "parameters": schema},
    }


def test_tools_are_those_that_are_called_by_name_and_parameters(tmp_path, redactor):
    session(tmp_path / "logs", 1, turn("1"), tools_available=[offer("read"), offer("bash")])
    two = [*turn("2"), user("And what is in file 2, if I may ask?", "b"), assistant(None, ("c", "read", {}))]
    session(
        tmp_path / "logs", 2, [*two, tool("read", "c", "x"), assistant("x")], tools_available=[offer("read")]
    )
    [one, other], _ = made(tmp_path / "logs", tmp_path / "rows.jsonl", redactor)
    schema = {
        "type": "object",
        "properties": {"description": {"type": "string"}},
        "required": ["description"],
    }
    assert one["tools"] == [{"type": "function", "function": {"name": "bash", "parameters": schema}}]
    assert "tools" not in other  # not all that are called there are known


def planted(text, number):
    """A turn with the text in system prompt, question, arguments, output and answers."""
    call = (f"c{number}", "bash", {"command": f"echo {text}", "note": {"deep": [text]}})
    return [
        {"role": "system", "content": f"You know that {text}"},
        user(f"Set {text} for garden {number}, and tell me which of its beds that will water.", f"u{number}"),
        assistant(f"I set {text} there.", call),
        tool("bash", f"c{number}", f"stdout: {text}\nreturncode: 0"),
        assistant(f"Bed {number} gets water {number} times a day now, since I used {text}."),
    ]


def test_none_of_twelve_kinds_of_secrets_is_in_rows_or_manifest(tmp_path, redactor):
    for number, (written, secret) in enumerate(PLANTED.values()):
        session(
            tmp_path / "logs", number, planted(written.format(secret), number), title=written.format(secret)
        )
    out = tmp_path / "rows.jsonl"
    rows, facts = made(tmp_path / "logs", out, redactor)
    assert (facts["rows"], facts["tool_calls"]) == (len(PLANTED), len(PLANTED))
    stored = "".join(file.read_text() for file in tmp_path.glob("rows*"))
    for kind, (_, secret) in PLANTED.items():
        for part in (line[:20] for line in secret.split("\n")):
            assert part not in stored, kind
    for row in rows:
        texts = [message["content"] for message in row["messages"] if message["role"] != "system"]
        texts += [
            call["function"]["arguments"]
            for message in row["messages"]
            for call in message.get("tool_calls", [])
        ]
        assert all("[redacted:" in text for text in texts)


def test_a_password_told_once_is_gone_where_it_stands_bare(tmp_path, redactor):
    told = [
        user("The password of the server is Xq7-kestrel42, log in.", "u1"),
        assistant(None, ("c1", "login", {"with": "Xq7-kestrel42"})),
        tool("login", "c1", "tried Xq7-kestrel42\ndone"),
        assistant("It took Xq7-kestrel42."),
    ]
    session(tmp_path / "logs", 1, told)
    [row], _ = made(tmp_path / "logs", tmp_path / "rows.jsonl", redactor)
    assert "Xq7" not in json.dumps(row)
    assert row["messages"][3]["content"] == "tried [redacted:password]\ndone"


def test_a_tools_name_is_redacted_too(tmp_path, redactor):
    name = "use_ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8"
    told = [
        user("Ask it for the tide, please.", "u1"),
        assistant(None, ("c1", name, {})),
        tool(name, "c1", "high"),
    ]
    session(tmp_path / "logs", 1, [*told, assistant("The tide is high.")])
    [row], _ = made(tmp_path / "logs", tmp_path / "rows.jsonl", redactor)
    assert "ghp_a1B2" not in json.dumps(row)


def test_rows_that_nearly_repeat_another_are_dropped(tmp_path, redactor):
    long = " ".join(f"step {number} of the plan is number {number}" for number in range(60))
    for number in range(3):
        session(
            tmp_path / "logs",
            number,
            turn(f"k{number}", f"Do this: {long}", f"Done, all: {long}", command="x"),
        )
    session(tmp_path / "logs", 7, turn("other"))
    rows, facts = made(tmp_path / "logs", tmp_path / "rows.jsonl", redactor)
    assert [row["session"] for row in rows] == [names(0), names(7)]
    assert facts["dropped"] == {"nearly the same as another row": 2}
