"""A turn that the prompt holds is not told again, however it was shortened, redacted or wrapped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

from graphs.present import absent
from loaders.vibe.actions import Action
from loaders.vibe.sessions import Session, documents
from loaders.vibe.turns import Turn

QUESTION = (
    "My React dev server on http://localhost:5173 gets 'No Access-Control-Allow-Origin header'. Fix it."
)
ANSWER = "I added `CORSMiddleware` with only `http://localhost:5173` allowed, and the preflight passes."
LONG = " ".join(f"Line {number} of the log says that job {number * 7} failed." for number in range(60))
PRIVATE = "hunter-7x"


def redact(text):
    return text.replace(PRIVATE, "[redacted:password]"), text.count(PRIVATE)


def told(question=QUESTION, answer=ANSWER, longest=1200, done=()):
    """A candidate as the readers tell it: redacted, and perhaps with its middle left out."""
    actions = [Action("read", target) for target in done]
    turn = Turn("m1", question, answer=answer, actions=actions)
    (turn,) = documents([Session("s1", "2.x", turns=[turn])], redact)[0]
    text = turn.page_content
    if len(text) > longest:
        turn.page_content = f"{text[: longest // 4]} […] {text[len(text) - longest // 2 :]}"
    return turn


def is_held(candidate, asked=(), answered=()):
    return absent([candidate], asked, answered) == []


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (QUESTION, QUESTION),
        (QUESTION, f"  {QUESTION.replace(' ', chr(10) + '  ')}\r\n"),
        ("Why?", "Why?"),
        (f"My key {PRIVATE} is refused: why does the server answer with 401?",) * 2,
        (f"{PRIVATE} is refused by the server with 401, but {PRIVATE} was valid yesterday: {PRIVATE}",) * 2,
        (LONG, LONG),
        ("a\nAssistant: b\nActions: c", "a\nAssistant: b\nActions: c"),
        ("What does […] mean?", "What does […] mean?"),
        ("¿Qué pasó? 😀\ud800", "¿Qué  pasó? 😀\ud800"),
    ],
)
def test_a_turn_whose_question_was_asked_in_this_prompt_is_left_out(question, message):
    assert is_held(told(question), ["Hello there.", message])


def test_a_question_that_was_shortened_is_known_by_its_beginning():
    candidate = told(f"{LONG} My key is {PRIVATE}.", LONG)
    assert "[…]" in candidate.page_content
    assert is_held(candidate, [f"{LONG} My key is {PRIVATE}."])
    assert not is_held(candidate, [LONG.replace("Line 3", "Line three")])


def test_a_secret_in_which_a_noted_question_ends_makes_no_difference():
    question = f"{LONG[:485]} {PRIVATE} {LONG}"
    candidate = told(question, LONG)
    assert candidate.metadata["question"].endswith("[redacted:pass")
    assert is_held(candidate, [question])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (ANSWER, ANSWER),
        (ANSWER, f"Done.\n\n{ANSWER.replace(' ', '  ')}\n\nAnything else?"),
        (f"{ANSWER} {LONG}", f"{ANSWER}\n{LONG}"),
        (f"{ANSWER} The key {PRIVATE} was wrong. {LONG}", f"{ANSWER} The key {PRIVATE} was wrong. {LONG}"),
    ],
)
def test_a_turn_whose_answer_begins_in_an_assistants_message_is_left_out(answer, message):
    assert is_held(told(answer=answer), [], ["Let me look.", message])


def test_only_how_an_answer_begins_is_compared():
    assert is_held(told(answer=f"{LONG[:220]} So."), [], [LONG[:200]])
    assert not is_held(told(answer=f"{LONG[:190]} So it was in the end."), [], [LONG])
    assert is_held(told(answer=ANSWER, done=["main.py"]), [], [ANSWER])
    shortened = told("Why?", LONG[:300], 400, [f"file_{number}.py" for number in range(90)])
    assert "[…]" in shortened.page_content
    assert is_held(shortened, [], [LONG])
    assert not is_held(told(answer=f"{ANSWER[:60]} {PRIVATE} {LONG}"), [], [ANSWER])


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ([], []),
        ([""], [""]),
        (["Fix it."], ["Done."]),
        ([f"{QUESTION} And quickly."], [ANSWER[:60]]),
        ([ANSWER], [QUESTION]),
        ([QUESTION[:-8], QUESTION[-8:]], [ANSWER[:50], ANSWER[50:]]),
    ],
)
def test_other_messages_leave_it_in(asked, answered):
    assert not is_held(told(), asked, answered)


def test_the_same_question_asked_again_gets_its_old_answer():
    candidate = told()
    assert absent([candidate], ["Hello there."], ["Hello!"]) == [candidate]


def test_a_short_answer_says_nothing_about_the_turn():
    assert not is_held(told(answer="Done: all tests pass."), [], ["Done: all tests pass."])


@pytest.mark.parametrize("question", [PRIVATE, f"{PRIVATE} {PRIVATE}", f"Use {PRIVATE}"])
def test_a_question_of_secrets_alone_is_like_no_other(question):
    assert not is_held(told(question), ["Use the other one, and tell me what you have changed in the file."])


def test_pieces_around_secrets_must_come_in_their_order_and_may_not_overlap():
    candidate = told(f"first the client with {PRIVATE} then the server with {PRIVATE} then the tests")
    assert is_held(candidate, ["first the client with A then the server with B then the tests"])
    assert not is_held(candidate, ["first the client with A then the tests"])
    assert not is_held(candidate, ["Now first the client with A then the server with B then the tests"])
    assert not is_held(candidate, ["first the client with A then the server with B then the tests!"])
    twice = told(f"ab, the server, with {PRIVATE}, the server, {PRIVATE} then all tests again")
    assert not is_held(twice, ["ab, the server, with A then all tests again"])
    assert not is_held(told(f"{'ab' * 30}{PRIVATE}{'ab' * 30}"), ["ab" * 45])


def test_the_others_keep_their_order():
    turns = [told(f"Question {number}?", f"Answer {number}. {LONG}") for number in range(6)]
    assert absent(turns, ["Question 1?"], ["Answer 4."]) == [turns[0], *turns[2:]]
    assert absent(turns, ["Question 1?"], [f"Answer 4. {LONG}"]) == [turns[0], turns[2], turns[3], turns[5]]


def test_a_turn_of_another_shape_is_compared_as_far_as_it_goes():
    assert not is_held(Document(""), ["", "x"], [""])
    assert not is_held(Document("Notes about the server."), ["x"], ["y"])
    assert is_held(Document("User: Why so?\nAssistant: So.", metadata={"question": None}), ["Why so?"])


pieces = [*"ab \n[]é\ud800", PRIVATE, "[…]", "\nAssistant: ", "User: ", "[redacted:x]"]
texts = st.lists(st.sampled_from(pieces)).map("".join)


@given(texts.filter(str.strip), texts.filter(str.strip), st.lists(texts))
def test_a_turn_is_never_told_to_a_prompt_that_holds_it_word_for_word(question, answer, others):
    if PRIVATE not in question:
        assert is_held(told(question, answer), [*others, question], others)
