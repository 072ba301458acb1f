from datetime import UTC, datetime

import pytest

from loaders.vibe.actions import Action
from loaders.vibe.sessions import Session, documents, joined
from loaders.vibe.turns import Turn
from tests.loaders.told import kept

START = datetime(2026, 11, 22, 1, 23, 58, tzinfo=UTC)


def turn(user="Why is it so?", answer="Because.", key=None, **more):
    return Turn(key, user, answer=answer, **more)


def session(*turns, format="2.x", id="s1", **more):
    return Session(id, format, turns=list(turns), **({"project": "/home/dev/shop", "started": START} | more))


def told(*sessions, redact=kept):
    return documents(list(sessions), redact)


def test_the_oldest_session_comes_first_and_one_without_a_time_last():
    late = session(turn("Second question?", key="b"), id="late", started=datetime(2027, 1, 1, tzinfo=UTC))
    never = session(turn("Third question?", key="c"), id="never", started=None)
    found, _ = told(never, late, session(turn("First question?", key="a")))
    assert [document.metadata["turn"] for document in found] == ["a", "b", "c"]
    assert [document.metadata["time"] for document in found] == [
        "2026-11-22T01:23:58.000Z",
        "2027-01-01T00:00:00.000Z",
        None,
    ]


@pytest.mark.parametrize(("older", "newer"), [("1.x", "2.x"), ("2.x", "3.x"), ("1.x", "3.x")])
def test_a_session_migrated_to_another_format_is_told_once_in_the_newest(older, newer):
    before = session(turn(key=None if older == "1.x" else "m1"), format=older)
    after = session(turn(key="m2"), turn("And now what?", "So.", key="m3"), format=newer)
    for order in ([before, after], [after, before]):
        found, left_out = told(*order)
        assert [(row.metadata["format"], row.metadata["turn"]) for row in found] == [
            (newer, "m2"),
            (newer, "m3"),
        ]
        assert left_out == {}


def test_in_two_calls_the_caller_can_see_what_is_alike():
    [before] = told(session(turn(), format="1.x"))[0]
    [after] = told(session(turn(key="m2"), format="3.x"))[0]
    [other] = told(session(turn(key="m2"), format="3.x", id="s2"))[0]
    assert before.metadata["alike"] == after.metadata["alike"] != other.metadata["alike"]
    assert before.metadata["identity"] != after.metadata["identity"]


def test_the_same_asked_twice_in_one_session_is_kept_twice():
    found, _ = told(session(turn(key="m1"), turn(key="m2")))
    assert len(found) == 2


def test_identities_of_different_kinds_never_meet():
    kinds = [
        session(turn(key="k"), format="2.x"),
        session(turn(key="k"), format="3.x", id="s3"),
        session(turn(), format="1.x", id="s4"),
        session(turn(), format="jsonl", id="s5"),
    ]
    assert len({document.metadata["identity"] for document in told(*kinds)[0]}) == 4


def test_what_is_left_out_is_counted_by_reason():
    found, left_out = told(
        session(
            turn(answer=None, key="a"),
            turn("hi!", "Hello.", key="b"),
            turn("thanks", "Ran it.", key="c", actions=[Action("bash")]),
            turn("", "A picture.", key="d"),
        ),
        session(turn("List the files.", key="e"), id="s2", subagent=True),
    )
    assert [document.metadata["turn"] for document in found] == ["c"]
    assert left_out == {"incomplete": 1, "greeting": 1, "empty": 1, "subagent": 1}


def test_a_long_text_keeps_its_beginning_and_its_end():
    [document] = told(session(turn("q" * 20_000 + "Q" * 20_000, "a" * 40_000 + "end")))[0]
    user, answer = document.page_content.removeprefix("User: ").split("\nAssistant: ")
    assert (len(user), len(answer)) == (31_999, 31_999)
    assert user.startswith("qqq")
    assert "q […] Q" in user
    assert answer.endswith("aend")
    assert document.metadata["question"] == "q" * 500


def test_each_piece_is_redacted_whole_before_it_is_cut_or_put_together():
    secret = "sk-" + "9" * 600
    said = []

    def redact(text):
        said.append(text)
        return text.replace(secret, "‹key›"), text.count(secret)

    action = Action("bash", f"echo {secret}", quoted=True, status="exit 1", detail=f"x\n{secret}")
    asked = turn("z" * 490 + secret, "a" * 31_990 + secret, actions=[action])
    [document], _ = told(session(asked, title=f"Use {secret}"), redact=redact)
    assert "999" not in str(document)
    assert document.metadata["redacted"] == 4
    assert document.metadata["title"] == "Use ‹key›"
    assert document.metadata["question"] == "z" * 490 + "‹key›"
    assert said == [f"Use {secret}", asked.user, asked.answer, f"echo {secret}", f"x\n{secret}"]


def test_the_identity_is_that_of_the_redacted_text():
    def redact(text):
        return text.replace("1234", "‹pin›"), text.count("1234")

    secret = told(session(turn("My PIN is 1234", key=None), format="1.x"), redact=redact)[0][0]
    plain = told(session(turn("My PIN is ‹pin›", key=None), format="1.x"))[0][0]
    assert secret.metadata["identity"] == plain.metadata["identity"]


def test_joining_keeps_every_session_in_its_place():
    sessions = [session(turn(key="a"), id=name) for name in "cab"]
    assert [one.id for one in joined(sessions)] == ["c", "a", "b"]
    assert joined([]) == []
