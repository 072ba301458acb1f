"""Words find passages: rare ones first, together rather than scattered, and never those that only ask."""

import numpy as np
import pytest

from stores.lexical import Lexical
from stores.ranking import best

# Two sentences that are too long to become one piece.
LEFT = (
    "The impeller of the Aurora is made of bronze and was drawn in Portavela by an engineer of the railway."
)
RIGHT = (
    "The warranty covers three years from the day on which the machine was bought and paid for by its owner."
)
OTHER = (
    "Compost is turned every month and kept moist, which is done best in the evening when the sun is down."
)


def scores(texts, question, languages=None, **more):
    lexical = Lexical.build(texts, languages or ["english"] * len(texts), **more)
    return lexical.scores(lexical.read(question)).tolist()


def cover(texts, question):
    lexical = Lexical.build(texts, ["english"] * len(texts))
    return lexical.cover(lexical.read(question), np.arange(len(texts))).tolist()


def share(texts, question):
    lexical = Lexical.build(texts, ["english"] * len(texts))
    return lexical.share(lexical.read(question), np.arange(len(texts))).tolist()


def test_the_index_survives_the_disk_and_unknown_words(tmp_path):
    texts, languages = ["the pump hums", "la bomba zumba", ""], ["english", "spanish", "english"]
    lexical = Lexical.build(texts, languages)
    lexical.save(tmp_path)
    again = Lexical.load(tmp_path, languages)
    every = np.arange(3)
    for question in ("pump", "¿y la bomba?", "zebra"):
        asked, same = lexical.read(question), again.read(question)
        assert asked == same
        assert np.array_equal(lexical.scores(asked), again.scores(same))
        assert np.array_equal(lexical.cover(asked, every), again.cover(same, every))
    assert best(again.scores(again.read("pumps")), 1) == [0]
    assert not again.scores(again.read("zzz")).any()


def test_a_corpus_without_a_word_can_be_asked():
    assert scores(["—", "…"], "pump") == [0, 0]
    assert cover(["—", "…"], "pump") == [0, 0]


def test_a_corpus_without_a_text_can_be_asked():
    lexical = Lexical.build([], [])
    assert not lexical.scores(lexical.read("pump")).any()


def test_a_rare_word_counts_more_than_a_common_one():
    common, rare, _ = scores(["the pump", "the valve", "the pump"], "pump or valve")
    assert rare > common > 0


def test_a_word_that_is_there_counts_in_a_long_text_too():
    short, long, none = scores(["pump filter", "pump " + "filter " * 500, "filter"], "pump")
    assert short > long > short / 2
    assert none == 0


def test_the_words_of_its_name_are_a_texts_own():
    named, other = scores(["a pump", "a pump"], "aurora", names=["Aurora 300 manual", "Boreal"])
    assert named > other == 0


def test_words_in_one_sentence_cover_a_question_better_than_scattered_ones():
    whole, scattered = cover(
        [f"{RIGHT} {OTHER}", f"{LEFT} {OTHER}"], "How many years does the warranty cover?"
    )
    assert whole > scattered
    apart, together = cover([f"{LEFT} {RIGHT}", f"{LEFT} {LEFT}"], "impeller bronze engineer")
    assert apart == together > 0
    apart = [f"{LEFT} {RIGHT}"]
    assert cover(apart, "impeller warranty") == cover(apart, "impeller") == cover(apart, "warranty")


def test_a_question_about_something_else_is_not_covered():
    assert share([LEFT, RIGHT], "zzz qqq")[0] == 0
    known, half = share([RIGHT], "warranty")[0], share([RIGHT], "warranty zzzqqq")[0]
    assert known == pytest.approx(1)
    assert 0 < half < 0.5


def test_the_words_that_ask_are_looked_up_nowhere():
    assert scores(["When and what", "cuando como", "x"], "¿Cuándo? ¿Cómo? When? What?") == [0, 0, 0]
