"""What to look up when a question only makes sense after the one before it: "and its warranty?"

No model is asked. A question leans on the one before when it begins like a continuation, refers back with a
pronoun, or holds hardly a word of its own. It is then looked up together with what it leans on, so that
dense search sees one sentence about both and lexical search sees the words of both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from langchain_core.messages import AnyMessage

ContentWords = Callable[[str], list[str]]

CONTINUES = re.compile(
    r"^\W*(and|but|or|so|then|what about|how about|what else|why|y|e|pero|o|entonces|qué hay|que hay|"
    r"qué más|que mas|por qué|por que|cuál|et|mais|und|aber|ed?|ma)\b",
    re.I,
)
REFERS = re.compile(
    r"\b(it|its|it's|they|them|their|theirs|this|that|these|those|there|he|him|his|she|her|hers|one|ones|"
    r"same|former|latter|su|sus|él|ella|ellos|ellas|lo|los|la|las|le|les|eso|esto|ese|esa|esos|esas|este|esta|"
    r"estos|estas|mismo|misma|ahí|allí|suyo|suya)\b",
    re.I,
)
ARTICLES = re.compile(r"\b(la|las|los|lo)\s+(?=\w)", re.I)
FEW_WORDS = 2
MEMORY = 3


def standalone(question: str, history: Sequence[AnyMessage], content_words: ContentWords) -> str:
    """The question to look up: itself, or itself after the questions that it leans on (three at most)."""
    asked = [str(message.content) for message in history if message.type == "human"]
    chain = [question]
    while asked and len(chain) < MEMORY and leans(chain[0], content_words):
        chain.insert(0, asked.pop())
    return " ".join(chain)


def leans(question: str, content_words: ContentWords) -> bool:
    """Whether a question is not understood without the one before."""
    if len(content_words(question)) <= FEW_WORDS and not _names_something(question):
        return True
    # In Spanish "la" and "los" are articles far more often than pronouns.
    return bool(CONTINUES.search(question) or REFERS.search(ARTICLES.sub(" ", question)))


def _names_something(question: str) -> bool:
    """Whether it holds a name or a number after its first word: then even two words may stand alone."""
    return bool(re.search(r"\S\s.*?(\b[A-ZÁÉÍÓÚÑ]\w|\d)", question))
