"""Which language a text is in, told by its small words, and the word forms that lexical search compares.

Eleven languages have both a stop list (bm25s) and a stemmer (Snowball). Anything else is treated as
English, which for lexical search means: words as they are written.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import Stemmer

LANGUAGES = (
    "english", "spanish", "french", "german", "italian", "portuguese",
    "dutch", "danish", "norwegian", "swedish", "turkish",
)  # fmt: skip
WORD = re.compile(r"\w+")


def detect(text: str, default: str = "english") -> str:
    """The language whose stop words cover most of the text (its first 200 words)."""
    return most_said(text, stop_words, default)


def most_said(text: str, small_words: Callable[[str], frozenset[str]], default: str) -> str:
    """The language whose small words cover most of the text (its first 200 words)."""
    words = WORD.findall(text.lower())[:200]
    counts = {language: sum(word in small_words(language) for word in words) for language in LANGUAGES}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] > counts[default] else default


def stem(word: str, language: str) -> str:
    """A word as `terms` has it."""
    return _stems([word], language)[0]


@cache
def stop_words(language: str) -> frozenset[str]:
    """The small words of a language, which say little of what a text is about."""
    from bm25s import stopwords

    name = "EN_PLUS" if language == "english" else language.upper()
    return frozenset(getattr(stopwords, f"STOPWORDS_{name}"))


def content_words(text: str, language: str) -> list[str]:
    """The words of a text that are not stop words of its language, in lower case."""
    return [word for word in WORD.findall(text.lower()) if word not in stop_words(language)]


def terms(text: str, language: str) -> list[str]:
    """What lexical search stores of a passage: stems without accents, in order."""
    return _stems(content_words(text, language), language)


def query_terms(question: str, languages: Iterable[str]) -> list[str]:
    """What lexical search looks up: the stems of a question in its own language and in the passages'.

    A Spanish question then meets the names and numbers of an English text, and not its Spanish "de".
    """
    return list(dict.fromkeys(stem for forms in query_words(question, languages) for stem in forms))


def query_words(question: str, languages: Iterable[str]) -> list[list[str]]:
    """The same, word by word: the stems that each word has in these languages."""
    own = detect(question)
    words = content_words(question, own)
    stems = [_stems(words, language) for language in dict.fromkeys([own, *languages])]
    return [list(dict.fromkeys(forms)) for forms in dict.fromkeys(zip(*stems, strict=True))]


def _stems(words: list[str], language: str) -> list[str]:
    return [_without_accents(stem) for stem in _stemmer(language).stemWords(words)]


def _without_accents(word: str) -> str:
    if word.isascii():
        return word
    return "".join(sign for sign in unicodedata.normalize("NFKD", word) if not unicodedata.combining(sign))


@cache
def _stemmer(language: str) -> Stemmer.Stemmer:
    import Stemmer

    return Stemmer.Stemmer(language)
