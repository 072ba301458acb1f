"""Rows that are too long: what stays, what goes first, and what never happens."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.training import talk, vocabularies
from training.conversation import steps
from training.cut import cut
from training.row import Row, turns

pytest.importorskip("trl", reason="needs `make setup-train`")
FAMILIES = ("smollm2", "devstral", "gpt-oss")
drawn = settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SYSTEM = {"role": "system", "content": "Be brief."}


def words(count):
    return " ".join(f"word{at % 7}" for at in range(count))


def asked(name, count=10):
    return {"role": "user", "content": f"{name} {words(count)}"}


def answered(name, count=10):
    return {"role": "assistant", "content": f"{name} {words(count)}"}


def step(name, count=10):
    """A call and its result."""
    number = f"{name:0>9}"
    call = {"id": number, "type": "function", "function": {"name": "bash", "arguments": {"path": name}}}
    return [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": number, "content": f"{name} {words(count)} {name}"},
    ]


def length(row, family):
    return len(vocabularies.renderer(family).sample(row).ids)


def said(row):
    """The first word of each message that has one, or the argument of a call."""
    return [
        (message["content"] or message["tool_calls"][0]["function"]["arguments"]["path"]).split()[0]
        for message in row.messages
    ]


long_results = st.builds(lambda text, times: text * times, talk.anything, st.integers(0, 60))


@st.composite
def long_rows(draw):
    """Rows as others are drawn, with results long enough to be cut."""
    row = draw(talk.rows(most_turns=4))
    return Row(
        [one | {"content": draw(long_results)} if one["role"] == "tool" else one for one in row.messages],
        row.tools,
    )


@pytest.mark.parametrize("family", FAMILIES)
@drawn
@given(row=long_rows(), share=st.floats(0.05, 1.2))
def test_what_is_cut_fits_ends_as_before_and_is_whole(family, row, share):
    renderer = vocabularies.renderer(family)
    most = max(int(length(row, family) * share), 16)
    done = cut(row, most, renderer)
    assert cut(row, most, renderer) == done
    if done.outcome == "dropped":
        assert done.reason == "too long even when cut"
        assert (done.row, done.sample) == (None, None)
        return
    assert (done.outcome == "kept") == (length(row, family) <= most)
    assert len(done.sample.ids) <= most
    assert done.sample == renderer.sample(done.row)  # it renders, so its roles are legal
    assert done.sample.supervised > 0
    assert done.row.messages[-1] == row.messages[-1]
    whole, left = list(row.messages), list(done.row.messages)
    assert [one for one in whole if one["role"] == "system"] == [
        one for one in left if one["role"] == "system"
    ]
    for piece in list(steps(left))[:-1]:
        assert len(piece) - 1 == len(piece[0].get("tool_calls") or [])
    assert done.row.tools == row.tools
    # What is left is what was there, in that order, only with shorter results.
    shorter = [one if one["role"] != "tool" else one | {"content": ""} for one in left]
    before = iter([one if one["role"] != "tool" else one | {"content": ""} for one in whole])
    assert all(one in before for one in shorter)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_that_fits_is_left_alone(family):
    row = Row([SYSTEM, asked("q1"), *step("c1", 400), answered("a1")])
    most = length(row, family)
    assert cut(row, most, vocabularies.renderer(family)).row is row
    assert cut(row, most - 1, vocabularies.renderer(family)).outcome == "trimmed"


@pytest.mark.parametrize("family", FAMILIES)
def test_long_results_lose_their_middle_before_anything_else_goes(family):
    row = Row(
        [SYSTEM, asked("q1"), *step("c1", 900), answered("a1"), asked("q2"), *step("c2", 100), answered("a2")]
    )
    most = length(row, family) - 200
    done = cut(row, most, vocabularies.renderer(family))
    assert done.reason == "long tool results shortened"
    assert said(done.row) == said(row)
    shortened, other = (one["content"] for one in done.row.messages if one["role"] == "tool")
    assert shortened.startswith("c1 word0")
    assert shortened.endswith(" c1")
    assert " tokens of this result left out …]" in shortened
    assert other == row.messages[7]["content"]
    # As long as there is room for it.
    assert most - 30 < len(done.sample.ids) <= most


@pytest.mark.parametrize("family", FAMILIES)
def test_then_go_the_oldest_turns_and_then_the_oldest_steps_of_the_last(family):
    older = [message for at in (1, 2, 3) for message in (asked(f"q{at}", 60), answered(f"a{at}", 60))]
    last = [asked("q4"), *step("c1", 4), *step("c2", 4), *step("c3", 4), answered("a4")]
    row = Row([SYSTEM, *older, *last])
    lasting = length(Row([SYSTEM, *last]), family)
    seen = []
    least = length(Row([SYSTEM, last[0], last[-1]]), family)
    for most in range(length(row, family), least - 1, -5):
        done = cut(row, most, vocabularies.renderer(family))
        if not seen or seen[-1] != said(done.row):
            seen.append(said(done.row))
        assert ("oldest steps left out" in done.reason) == (most < lasting)
    told = ["q4", "c1", "c1", "c2", "c2", "c3", "c3", "a4"]
    assert seen == [
        ["Be", "q1", "a1", "q2", "a2", "q3", "a3", *told],
        ["Be", "q2", "a2", "q3", "a3", *told],
        ["Be", "q3", "a3", *told],
        ["Be", *told],
        ["Be", "q4", "c2", "c2", "c3", "c3", "a4"],
        ["Be", "q4", "c3", "c3", "a4"],
        ["Be", "q4", "a4"],
    ]
    assert cut(row, least - 1, vocabularies.renderer(family)).reason == "too long even when cut"


def test_no_more_goes_than_has_to():
    steps_ = [message for at in range(30) for message in step(f"c{at}", at % 9)]
    row = Row([SYSTEM, asked("q"), *steps_, answered("a")])
    for family in FAMILIES:
        for most in range(150, length(row, family), 200):
            done = cut(row, most, vocabularies.renderer(family))
            gone = (len(row.messages) - len(done.row.messages)) // 2
            one_more = Row([*row.messages[:2], *steps_[2 * (gone - 1) :], row.messages[-1]])
            assert len(done.sample.ids) <= most < length(one_more, family)


def test_a_shortened_result_divides_no_character():
    row = Row([asked("q"), *step("c", 0), answered("a")])
    row.messages[2]["content"] = "👩🏽‍💻ñ日" * 300
    done = cut(row, 300, vocabularies.renderer("devstral"))
    begin, _, end = done.row.messages[2]["content"].partition("\n[…")
    assert begin
    assert ("👩🏽‍💻ñ日" * 300).startswith(begin)
    assert ("👩🏽‍💻ñ日" * 300).endswith(end.partition("…]\n")[2])


@pytest.mark.parametrize("family", FAMILIES)
def test_what_follows_the_last_answer_goes(family):
    row = Row([asked("q1"), answered("a1"), asked("q2")])
    done = cut(row, 1000, vocabularies.renderer(family))
    assert (done.outcome, done.reason) == ("trimmed", "what follows the last answer left out")
    assert said(done.row) == ["q1", "a1"]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_cannot_be_rendered_is_dropped_with_its_reason(family):
    call, result = step("c")
    assert cut(Row([]), 1000, vocabularies.renderer(family)).reason == "nothing in it is learnt"
    assert cut(Row([asked("q")]), 1000, vocabularies.renderer(family)).reason == "nothing in it is learnt"
    torn = cut(Row([asked("q"), result, answered("a")]), 10, vocabularies.renderer(family))
    assert (torn.outcome, torn.reason, torn.row) == ("dropped", "a tool result without its call", None)
    assert cut(Row([asked("q"), call]), 1000, vocabularies.renderer(family)).outcome == "kept"


def test_a_row_is_cut_where_its_turns_begin():
    row = Row([SYSTEM, *[one for at in range(9) for one in (asked(f"q{at}"), answered(f"a{at}"))]])
    done = cut(row, length(row, "devstral") // 2, vocabularies.renderer("devstral"))
    whole = [list(turn) for turn in turns(row.messages[1:])]
    assert [list(turn) for turn in turns(done.row.messages[1:])] == whole[
        -len(list(turns(done.row.messages[1:]))) :
    ]
