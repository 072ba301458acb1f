"""Logs of the real client (all texts in them are made up): the exact turns that each tree holds.

`vibe/turns.json` was checked by hand against the table of the fixtures. What no reader opens was cut out of
the copies here; the whole trees, where they are at hand, tell the same.
"""

import json
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.loaders.told import tell

HERE = Path(__file__).parent / "vibe"
WHOLE = SHARED / "fixtures" / "vibe" / "logs"
TOLD = json.loads((HERE / "turns.json").read_text(encoding="utf-8"))
COUNTS = {  # complete, incomplete
    "3.0.2/python-bug": (3, 0),
    "3.0.2/spanish": (1, 0),
    "3.0.2/secret": (1, 0),
    "3.0.2/cors": (1, 0),
    "3.0.2/interrupted": (0, 1),
    "3.0.2/compaction": (2, 0),
    "3.0.2/subagent": (1, 0),
    "3.0.2/tool-error": (1, 0),
    "2.18.4/git-rebase": (2, 0),
    "2.18.4/tui-2x": (2, 0),
    "2.18.4/compaction-2x": (2, 0),
    "1.3.5/makefile-legacy": (2, 0),
    "corrupted/truncated-1x": (1, 1),
    "corrupted/truncated-2x": (0, 1),
    "corrupted/truncated-3x": (1, 0),
}


def turns(found):
    return [[document.metadata["identity"].replace("\0", " "), document.page_content] for document in found]


@pytest.mark.parametrize("scenario", COUNTS)
def test_a_tree_tells_exactly_its_turns(scenario):
    found, left_out, problems = tell(HERE / scenario)
    assert (len(found), left_out["incomplete"]) == COUNTS[scenario]
    assert turns(found) == TOLD[scenario]["turns"]
    assert left_out == TOLD[scenario]["left_out"]
    assert [list(row) for row in problems] == TOLD[scenario]["problems"]
    assert bool(problems) == scenario.startswith("corrupted/")


@pytest.mark.skipif(not WHOLE.is_dir(), reason="the whole fixtures are not here")
@pytest.mark.parametrize("scenario", COUNTS)
def test_the_whole_tree_tells_the_same(scenario):
    found, left_out, problems = tell(WHOLE / scenario)
    assert turns(found) == TOLD[scenario]["turns"]
    assert left_out == TOLD[scenario]["left_out"]
    assert len(problems) == len(TOLD[scenario]["problems"])


def test_all_of_them_in_one_tree_tell_each_turn_once():
    found, _, problems = tell(HERE)
    identities = [document.metadata["identity"].replace("\0", " ") for document in found]
    assert len(identities) == len(set(identities))
    assert set(identities) == {identity for told in TOLD.values() for identity, _ in told["turns"]}
    assert len(problems) == 3


def test_no_word_of_the_system_prompt_or_of_reasoning_is_told():
    found, _, _ = tell(HERE)
    texts = "\n".join(str(document) for document in found)
    for hidden in (
        "PLACEHOLDER",
        "Look at the code before changing",
        "FastAPI needs CORSMiddleware",
        "Short answer",
    ):
        assert hidden not in texts


def test_nothing_of_a_secret_is_left_when_it_is_redacted():
    secrets = ["sk-test-51FAKEFAKE0000notARealKey9z8y7x6w5v4u", "hunter2-example"]

    def redact(text):
        count = sum(text.count(secret) for secret in secrets)
        for secret in secrets:
            text = text.replace(secret, "‹secret›")
        return text, count

    [document], _, _ = tell(HERE / "3.0.2" / "secret", redact)
    assert document.metadata["redacted"] == 2
    assert "‹secret›" in document.metadata["question"]
    assert not any(secret in str(document) for secret in secrets)


def test_what_is_known_of_a_session_goes_with_each_turn():
    [first, _], _, _ = tell(HERE / "2.18.4" / "git-rebase")
    assert first.metadata | {"identity": "", "alike": ""} == {
        "identity": "",
        "alike": "",
        "session_id": "47c98a26-bdea-6be3-3804-8a416e1a8c4e",
        "turn": "ef98a14f-46ff-4bc8-8e11-7dfdc8a67fd0",
        "place": 1,
        "agent": "vibe",
        "project": "/home/dev/projects/git-rebase",
        "branch": "main",
        "time": "2026-11-22T01:25:33.753Z",
        "started": "2026-11-22T01:25:33.753Z",
        "title": "I committed to main by mistake. How do I move my l…",
        "model": "local-model",
        "format": "2.x",
        "redacted": 0,
        "question": (
            "I committed to main by mistake. How do I move my last two commits to a new branch feature/x?"
        ),
        "complete": True,
    }


def test_a_compacted_session_keeps_its_parents_turn_and_has_no_title_of_its_own():
    [first, second], _, _ = tell(HERE / "2.18.4" / "compaction-2x")
    assert first.metadata["session_id"].startswith("d7b405fd")
    assert first.metadata["title"] == "Read big.txt, then make app.py print v2."
    assert second.metadata["session_id"].startswith("0123068a")
    assert second.metadata["title"] is None
