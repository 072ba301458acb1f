"""Words that are spelt alike: across languages, with slips, and never more than they should be."""

import pytest

from stores.lexical import Lexical
from stores.near import LEAST, NEAREST, Near

WORDS = ["photographi", "quantiti", "revolut", "telescop", "river", "comput", "nation", "winter", "boat"]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("fotograf", "photographi"), ("cantid", "quantiti"), ("revolu", "revolut"), ("telescopi", "telescop")],
)
def test_a_word_of_another_language_means_the_one_that_it_is_written_like(asked, meant):
    (nearest, nearness), *_ = Near(WORDS).of(asked)
    assert WORDS[nearest] == meant
    assert LEAST <= nearness < 1


def test_the_word_itself_is_the_nearest_of_all():
    for position, word in enumerate(WORDS):
        assert Near(WORDS).of(word)[0] == (position, pytest.approx(1.0, abs=1e-6))


def test_a_word_like_no_other_means_none():
    assert Near(WORDS).of("zzz") == []
    assert Near([]).of("boat") == []


def test_no_more_than_the_nearest_are_told():
    alike = [f"boat{number}" for number in range(30)]
    assert len(Near(alike).of("boat")) == NEAREST


TEXTS = ["The telescope by the river", "Photography in winter", "A boat on the lake"]


def asked(question, texts=TEXTS, languages=("english",) * 3):
    lexical = Lexical.build(texts, languages)
    return lexical.scores(lexical.read(question)).tolist()


def test_a_spanish_question_finds_an_english_text_by_words_that_are_written_alike():
    scores = asked("¿Qué sabes del telescopio?")
    assert scores[0] == max(scores) > 0


def test_a_slip_is_read_as_the_word_that_was_meant():
    assert asked("photograhpy")[1] > 0


def test_in_ones_own_language_a_word_that_is_known_means_itself_alone():
    assert asked("boats", ["a boat", "a boathouse", "x"]) == asked("boat", ["a boat", "a boathouse", "x"])
    assert asked("boat", ["a boat", "a boathouse", "x"])[1] == 0
