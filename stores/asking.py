"""What a question asks for: its language, and those of its words that say what it is about."""

from __future__ import annotations

from functools import cache

from stores.language import WORD, most_said, stop_words

# The words that ask. The stop lists hold only some of them, and a passage that answers rarely has them.
ASKING = {
    "english": "what which who whom whose when where why how many much",
    "spanish": "qué cuál cuáles cómo cuánto cuántos cuánta cuántas quién quiénes cuándo dónde adónde",
    "french": "que quoi quel quelle quels quelles combien comment qui quand où pourquoi lequel laquelle",
    "german": "was welche welcher welches welchen welchem wer wen wem wessen wann wo woher wohin warum wieso "
    "wie viel viele",
    "italian": "che cosa quale quali quanto quanti quanta quante chi quando dove perché come",
    "portuguese": "que quê qual quais quanto quantos quanta quantas quem quando onde como",
    "dutch": "wat welke welk wie wiens wanneer waar waarom hoe hoeveel",
    "danish": "hvad hvilken hvilket hvilke hvem hvis hvornår hvor hvorfor hvordan mange meget",
    "norwegian": "hva hvilken hvilket hvilke hvem når hvor hvorfor hvordan mange mye",
    "swedish": "vad vilken vilket vilka vem vems när var varför hur många mycket",
    "turkish": "ne hangi kim kimin kime zaman nerede nereye neden niçin nasıl kaç",
}


def asked_in(question: str) -> str:
    """The language of a question, which its asking words and signs tell too: it is short."""
    return "spanish" if "¿" in question else most_said(question, _small_words, "english")


def asked_words(question: str, language: str) -> list[str]:
    """The words of a question that say what it is about, in lower case, each once."""
    small = _small_words(language)
    return list(dict.fromkeys(word for word in WORD.findall(question.lower()) if word not in small))


@cache
def _small_words(language: str) -> frozenset[str]:
    return stop_words(language) | frozenset(ASKING[language].split())
