"""The confidence: a probability from a cosine and a share of words, told with every passage that is found."""

import pytest
from langchain_core.documents import Document

from stores.confidence import ACROSS, ENGLISH, MOST_WORDS, OTHER, SAID, confidence, odds
from stores.corpus import embed
from stores.documents import Documents

KINDS = (ENGLISH, OTHER, ACROSS, SAID)
BRIDGE = (
    "The bridge over the Tarn was finished in 1931 by the engineer Ilse Brandt. It has four arches of "
    "granite, and carries the night train to Portavela, which stops there to take water."
)
ORCHARD = (
    "In the orchard the late apples are picked in October, when the stems come off by themselves. They are "
    "laid on straw, not touching each other, and keep until March in a cool room."
)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_nearer_or_holds_more_of_the_words_is_surer(kind):
    assert 0 < confidence(0.2, 0, kind) < confidence(0.4, 0, kind) < confidence(0.4, 0.5, kind) < 1


@pytest.mark.parametrize(("nearness", "cover"), [(-1, 0), (1, 1)])
def test_it_is_a_probability_at_the_ends_too(nearness, cover):
    for kind in KINDS:
        assert 0 <= confidence(nearness, cover, kind) <= 1


def test_the_languages_of_question_and_passage_choose_the_odds():
    assert odds("english", "english") == ENGLISH
    assert odds("spanish", "spanish") == OTHER
    assert odds("spanish", "english") == odds("english", "spanish") == ACROSS


def test_english_needs_less_than_other_languages_since_the_model_is_english():
    assert confidence(0.4, 0.5, ENGLISH) > confidence(0.4, 0.5, OTHER)


@pytest.fixture(scope="module")
def store(embedder):
    passages = [Document(text, metadata={"file": "town.txt"}) for text in (BRIDGE, ORCHARD)]
    corpus = embed(passages, embedder)
    return Documents(embedder, corpus, corpus.lexical())


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("Who built the bridge over the Tarn?", BRIDGE),
        ("When are the late apples picked?", ORCHARD),
        ("Where does the night train take water?", BRIDGE),
    ],
)
def test_a_question_with_an_answer_is_sure_of_its_passage_and_not_of_the_other(store, question, passage):
    right, wrong = store.find(question, 2)
    assert right.page_content == passage
    assert right.metadata["confidence"] > 0.5
    assert wrong.metadata["confidence"] < 0.1


@pytest.mark.parametrize(
    "question",
    [
        "What did Ruth give her niece?",
        "Fix the failing test in cart.py",
        "What is the boiling point of lead?",
    ],
)
def test_a_question_about_something_else_is_sure_of_nothing(store, question):
    assert max(hit.metadata["confidence"] for hit in store.find(question, 2)) < 0.1


def test_of_a_question_longer_than_any_that_was_measured_nothing_is_claimed(store):
    words = " ".join(f"word{number}" for number in range(MOST_WORDS + 1))
    assert {hit.metadata["confidence"] for hit in store.find(words, 2)} == {None}


class Other:
    """An embedding model with cosines of its own."""

    calibrated = False

    def __init__(self, embedder):
        self.query, self.windows = embedder.query, embedder.windows


def test_of_another_embedding_model_nothing_is_claimed(embedder):
    other = Other(embedder)
    corpus = embed([Document(BRIDGE, metadata={"file": "town.txt"})], other)
    (hit,) = Documents(other, corpus, corpus.lexical()).find("Who built the bridge?", 1)
    assert hit.metadata["confidence"] is None


def test_the_name_of_a_file_counts_among_the_words_of_its_passages(embedder):
    def share(file):
        corpus = embed([Document(ORCHARD, metadata={"file": file})], embedder)
        (hit,) = Documents(embedder, corpus, corpus.lexical()).find("How long do Aurora apples keep?", 1)
        return hit.metadata["cover"]

    assert share("aurora-apples.txt") > share("notes.txt")


def test_in_a_folder_of_one_text_its_own_words_still_count(store, embedder):
    corpus = embed([Document(BRIDGE, metadata={"file": "town.txt"})], embedder)
    (hit,) = Documents(embedder, corpus, corpus.lexical()).find("Who built the bridge over the Tarn?", 1)
    assert hit.metadata["cover"] > 0.5  # two of three words
    assert hit.metadata["confidence"] > 0.5
