"""A question's language is told by its asking words too, and those are not what it is about."""

import pytest

from stores.asking import ASKING, asked_in, asked_words
from stores.language import LANGUAGES


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("How many filters?", "english"),
        ("Cuántos filtros?", "spanish"),
        ("¿Super Bowl 50?", "spanish"),
        ("Combien de filtres ?", "french"),
        ("Wieviele Filter hat welche Pumpe?", "german"),
        ("Hvor mange filtre er der?", "danish"),
        ("Super Bowl 50", "english"),
        ("", "english"),
    ],
)
def test_asking_words_tell_the_language(question, language):
    assert asked_in(question) == language


def test_each_word_counts_once_and_those_that_ask_do_not():
    assert asked_words("Which pump, what pump, and when does THE pump hum?", "english") == ["pump", "hum"]
    assert asked_words("¿Cuántos años dura la garantía?", "spanish") == ["años", "dura", "garantía"]


def test_every_language_asks():
    assert ASKING.keys() == set(LANGUAGES)
