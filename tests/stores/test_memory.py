"""Past turns are found by meaning and by word, each once, with what is needed to tell their best pieces."""

import pytest

from stores.conversations.embedded import Embedded
from stores.forgotten import Forgotten
from stores.intake import Intake
from stores.ledger import Ledger, Source
from stores.memory import Memory
from stores.telling import Room, told
from stores.upkeep import prepare
from stores.words import asked as by_word
from stores.words import weighted
from tests.stores.turns import turn

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
CORS = "User: The browser blocks my request to the API.\nAssistant: I added CORSMiddleware for localhost."
PODS = "User: Pods restart in a loop.\nAssistant: A startupProbe gives the app the 40 seconds that it needs."
TAB = "User: make says 'missing separator'.\nAssistant: Recipe lines must start with a TAB."
NOISE = [
    f"User: Which colour has box {number}?\nAssistant: Box {number} is painted in colour {number * 7}."
    for number in range(130)
]


@pytest.fixture(scope="module")
def remembered(tmp_path_factory, embedder):
    """A memory of some turns: `remembered(turns)` gives it."""
    open_ones = []

    def remember(turns):
        home = tmp_path_factory.mktemp("memory")
        collection, ledger = Embedded(home / "c"), Ledger(home / "ledger")
        open_ones.extend([collection, ledger])
        prepare(collection, ledger, MODEL, lambda: embedder, clear=False)
        intake = Intake(collection, ledger, Forgotten(home / "forgotten"), lambda: embedder)
        intake.take(Source("log", "1"), turns)
        intake.flush()
        return Memory(collection, embedder)

    yield remember
    for one in open_ones:
        one.close()


def texts(found):
    return [hit.page_content for hit in found]


def test_meaning_and_words_find_the_turn_with_a_cosine_and_a_relevance(remembered):
    turns = [
        turn(number, text, session=f"s{number}") for number, text in enumerate([CORS, PODS, TAB, *NOISE])
    ]
    memory = remembered(turns)
    for question, text in [
        ("how did we fix the CORS error", CORS),
        ("my container is killed while it boots", PODS),
        ("missing separator", TAB),
        ("startup probe", PODS),
    ]:
        hit = memory.find(question, 3, {})[0]
        assert hit.page_content == text
        assert 0.2 < hit.metadata["score"] <= 1
        assert 0 < hit.metadata["relevance"] <= 1
    assert memory.find("CORS", 3, {"project": "/nowhere"}) == []


def test_a_turn_that_only_words_find_still_has_its_true_cosine(remembered, embedder):
    turns = [turn(number, text, session=f"s{number}") for number, text in enumerate(NOISE)]
    said = "What was in the dictionary?", "The last word that I read at night by the fire was zyzzyva."
    odd = turn(999, f"User: {said[0]}\nAssistant: {said[1]}", session="s99")
    memory = remembered([odd, *turns])
    question = "zyzzyva colour of box 3 painted"
    hit = memory.find(question, 40, {})
    (found,) = [one for one in hit if "zyzzyva" in one.page_content]
    near = memory._collection.nearest([float(value) for value in embedder.query(question)], 100, {})
    assert found.id not in dict(near)
    asked_for = embedder.query(question)
    wanted = max(float(embedder.query(text) @ asked_for) for text in said)
    assert found.metadata["score"] == pytest.approx(wanted, abs=2e-3)


def test_a_long_turn_is_found_by_its_end_and_told_where_it_answers(remembered):
    filler = " ".join(f"Step {number} of the migration copies table {number}." for number in range(1500))
    fault = "The fault: column birthday is not nullable."
    long = f"User: Here is the log of the migration: {filler} {fault}\nAssistant: Done."
    assert len(long) > 50_000
    memory = remembered([turn(1, long, session="s1"), turn(2, TAB, session="s2")])
    found = memory.find("why is the column birthday not nullable", 5, {})
    item = told(found, 5, 0.3, Room(1200))[0]
    assert len(item.page_content) <= 1200
    assert item.page_content.startswith("User: Here is the log of the migration")
    assert "column birthday is not nullable" in item.page_content
    assert item.metadata["score"] > 0.4
    assert not {"pieces", "asked"} & item.metadata.keys()


def test_pieces_say_where_they_stand_and_how_much_of_the_question_the_best_holds(remembered):
    memory = remembered([turn(1, TAB, session="s1"), turn(2, PODS, session="s2")])
    found = {hit.metadata["session_id"]: hit for hit in memory.find("missing separator", 5, {})}
    tab = found["s1"]
    assert [tab.page_content[piece.start : piece.end].strip() for piece in tab.metadata["pieces"]] == [
        "make says 'missing separator'.",
        "Recipe lines must start with a TAB.",
    ]
    assert max(piece.cosine for piece in tab.metadata["pieces"]) == pytest.approx(tab.metadata["score"])
    assert all(0 <= piece.relevance <= 1 for hit in found.values() for piece in hit.metadata["pieces"])
    assert (tab.metadata["cover"], found["s2"].metadata["cover"]) == (1.0, 0.0)
    half = memory.find("missing zyzzyva", 5, {})[0]
    assert 0 < half.metadata["cover"] < 0.5  # a word that nobody said weighs most


def test_what_stands_beside_the_words_of_a_question_is_relevant_too(remembered):
    turns = [turn(number, text, session="s1") for number, text in enumerate(NOISE[:3])]
    turns += [turn(3, "User: What about the zyzzyva?\nAssistant: Fine.", session="s1")]
    turns += [turn(4, "User: And then?\nAssistant: We painted it green.", session="s1")]
    turns += [turn(9, "User: And then?\nAssistant: We painted it green.", session="s2")]
    found = {hit.metadata["place"]: hit for hit in remembered(turns).find("zyzzyva", 9, {})}
    beside, alone = (max(piece.relevance for piece in found[place].metadata["pieces"]) for place in (4, 9))
    assert beside > alone


def test_turns_without_a_date_are_found_too(remembered):
    undated = [
        turn(number, text, session=f"s{number}", time=None, started=None)
        for number, text in enumerate([TAB, PODS])
    ]
    assert len(remembered(undated).find("missing separator", 5, {})) == 2


def test_a_long_question_is_looked_up_by_its_beginning(remembered):
    memory = remembered([turn(1, TAB, session="s1"), turn(2, PODS, session="s2")])
    found = memory.find("make says missing separator " + "and here is all of the log " * 4000, 1, {})
    assert texts(found) == [TAB]


def test_newest_first_among_equals(remembered):
    same = "User: What is our release day?\nAssistant: Thursday it is, always."
    turns = [turn(number, same, session=f"s{number}") for number in (5, 20, 9)]
    found = remembered(turns).find("which day do we release", 3, {})
    assert [hit.metadata["time"][:10] for hit in found] == ["2026-11-21", "2026-11-10", "2026-11-06"]


def asked(question, languages):
    return [form for word in by_word(question, languages) for form in word]


def test_names_in_code_are_also_their_parts():
    words = weighted("I added CORSMiddleware to test_cart.py", "english")
    for question in ("cors middleware", "CORSMiddleware", "test cart", "test_cart"):
        assert set(asked(question, ["english"])) & set(words["indices"]), question
    assert len(words["indices"]) == len(set(words["indices"])) == len(words["values"])


def test_a_turn_answers_to_its_date_and_more_softly_to_the_words_before_it():
    words = weighted(
        "And if I pushed?", "english", "How do I move commits to a branch?", "2026-05-08T10:00:00Z"
    )
    weights = dict(zip(words["indices"], words["values"], strict=True))
    (pushed,), (commits,) = asked("pushed", ["english"]), asked("commits", ["english"])
    assert set(asked("8 May 2026", ["english"])) <= weights.keys()
    assert 0 < weights[commits] < weights[pushed]


def test_what_was_said_before_helps_to_find_a_turn(remembered):
    first = turn(1, "User: How do I move commits to a branch?\nAssistant: With git branch.", session="s1")
    second = turn(2, "User: And if I pushed?\nAssistant: Then revert, do not rewrite.", session="s1")
    other = turn(3, "User: And if I pushed?\nAssistant: Then the door opens, do not fear.", session="s2")
    found = remembered([other, first, second]).find("move commits after I pushed", 3, {})
    assert texts(found).index(second.page_content) < texts(found).index(other.page_content)


def test_a_word_weighs_more_the_more_often_it_stands_but_never_much_more():
    weights = [max(weighted("pump " * times + "garden water", "english")["values"]) for times in (1, 2, 50)]
    assert weights[0] < weights[1] < weights[2] < 2.5


def test_a_question_of_small_words_alone_is_looked_up_by_its_meaning(remembered):
    memory = remembered([turn(1, CORS), turn(2, PODS)])
    for question in ("what is it?", "¿y eso qué es?", "…"):
        assert {hit.metadata["cover"] for hit in memory.find(question, 2, {})} == {0.0}


def test_a_turn_tells_how_likely_it_is_to_help(remembered):
    memory = remembered([turn(1, CORS), turn(2, PODS)])
    helping, other = memory.find("Why does the browser block my request to the API?", 2, {})
    assert helping.page_content == CORS
    assert helping.metadata["confidence"] > 0.5
    assert other.metadata["confidence"] < 0.1
    (near, _) = memory.find("Who painted the ceiling of the chapel?", 2, {})
    assert near.metadata["confidence"] < 0.1


def test_of_a_question_longer_than_was_measured_a_turn_claims_nothing(remembered):
    words = " ".join(f"word{number}" for number in range(40))
    (hit,) = remembered([turn(1, CORS)]).find(words, 1, {})
    assert hit.metadata["confidence"] is None
