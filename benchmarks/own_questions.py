"""Questions about a person's own passages, with the sentences that each was made of.

Without a model a question is made of a sentence with rare words. Half of the time it is its telling half:
"What about …?"; else some of its rarer words in another order, here and there in another form that the
documents use elsewhere. Such a question has the passage's own words, so it is easier than what a person asks,
above all for BM25; and it names no subject and is no whole sentence, so its cosine is lower than that of a
real question.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from langchain_core.documents import Document

from stores.language import content_words, terms

ENDS = re.compile(r"(?<=[.!?…])\s+|\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)])\s)")
BARE = re.compile(r"^\W+|\W+$")
SHORTEST, LONGEST = 6, 60  # words of a sentence
RARE, RARE_SHARE = 3, 0.05  # of passages in which a rare word may stand
SAME_SENTENCE = 2  # two passages may overlap; more of them say the same
CONTENT, RARER, LEAST, WORDS = 5, 3, 3, 8
LEFT_OUT, OTHER_FORM, ABOUT_HALF = 0.4, 0.5, 0.5
ABOUT = {
    "english": "What about {}?",
    "spanish": "¿Qué hay de {}?",
    "french": "Qu’en est-il de {} ?",
    "german": "Was ist mit {}?",
    "italian": "E riguardo a {}?",
    "portuguese": "E quanto a {}?",
}
TOO_LONG, COPIED = 40, 8  # words of a model's question; in a row as the passage has them
ASKS = ("?", "？", "؟")


@dataclass(frozen=True)
class Question:
    """What is asked, and what was said where it was made: a passage that holds most of it is right."""

    text: str
    file: str
    language: str
    said: tuple[str, ...]

    def answered_by(self, told: str) -> bool:
        """Whether a passage (by `flat`) holds at least half of what was said."""
        held = sum(len(one) for one in self.said if one in told)
        return 2 * held >= sum(map(len, self.said))


@dataclass(frozen=True)
class Sentence:
    """A sentence that is worth asking about, and the passage that it stands in."""

    text: str
    passage: Document


def flat(text: str) -> str:
    """A text on one line, so that a sentence is found however its file breaks lines."""
    return " ".join(text.split())


def sentences(text: str) -> list[str]:
    """What stands between full stops, blank lines and marks of a list."""
    return [piece for piece in map(flat, ENDS.split(text)) if piece]


class Vocabulary:
    """The passages of a folder by their words: what is rare in them, and in which forms it stands."""

    def __init__(self, passages: Sequence[Document]) -> None:
        self.passages = list({passage.page_content: passage for passage in passages}.values())
        self._in: Counter[tuple[str, str]] = Counter()
        self._forms: dict[tuple[str, str], set[str]] = defaultdict(set)
        for passage in self.passages:
            stems = self.stems(passage.page_content, passage.metadata["language"])
            for word, stem in stems.items():
                self._forms[stem].add(word)
            self._in.update(set(stems.values()))

    def stems(self, text: str, language: str) -> dict[str, tuple[str, str]]:
        """Each content word of a text with its stem; a number is the answer more often than the question."""
        pairs = zip(content_words(text, language), terms(text, language), strict=True)
        return {word: (language, stem) for word, stem in pairs if len(word) > 2 and word.isalpha()}

    def rarest(self, text: str, language: str) -> list[str]:
        """One content word a stem, the rarest first."""
        words = {stem: word for word, stem in self.stems(text, language).items()}
        return [words[stem] for stem in sorted(words, key=lambda stem: (self._in[stem], stem))]

    def forms(self, word: str, language: str) -> list[str]:
        """The other forms of a word that the documents use."""
        return sorted(self._forms[self.stems(word, language)[word]] - {word})

    @cached_property
    def worth_asking(self) -> list[Sentence]:
        """Sentences with rare words that stand in one place: no headings, no boilerplate."""
        places = Counter(one for passage in self.passages for one in set(sentences(passage.page_content)))
        return [
            Sentence(text, passage)
            for passage in self.passages
            for text in sentences(passage.page_content)
            if places[text] <= SAME_SENTENCE
            and SHORTEST <= len(text.split()) <= LONGEST
            and self._says_something(text, passage.metadata["language"])
        ]

    def _says_something(self, text: str, language: str) -> bool:
        stems = set(self.stems(text, language).values())
        most = max(RARE, RARE_SHARE * len(self.passages))
        return len(stems) >= CONTENT and sum(self._in[stem] <= most for stem in stems) >= RARER


def drawn(vocabulary: Vocabulary, seed: int, taken: Container[str]) -> Iterator[Sentence]:
    """Sentences file by file in turn, each of another passage; none that was taken."""
    chance = random.Random(seed)  # noqa: S311  # the same draw again, on purpose
    waiting: dict[str, list[Sentence]] = defaultdict(list)
    for sentence in vocabulary.worth_asking:
        waiting[sentence.passage.metadata["file"]].append(sentence)
    files = sorted(waiting)
    chance.shuffle(files)
    for file in files:
        chance.shuffle(waiting[file])
    seen: set[str] = set()
    while waiting:
        for file in files:
            if not waiting.get(file):
                waiting.pop(file, None)
                continue
            sentence = waiting[file].pop()
            if sentence.text not in taken and not {sentence.text, sentence.passage.page_content} & seen:
                seen |= {sentence.text, sentence.passage.page_content}
                yield sentence


def of_words(vocabulary: Vocabulary, sentence: Sentence, seed: int) -> Question:
    """A question of the sentence's rarer words, or of its half that has most of them."""
    language = sentence.passage.metadata["language"]
    chance = random.Random(f"{seed} {sentence.text}")  # noqa: S311  # as above
    rarest = vocabulary.rarest(sentence.text, language)
    rarer = rarest[: min(WORDS, max(LEAST, round(2 / 3 * len(rarest))))]
    if language in ABOUT and chance.random() < ABOUT_HALF:
        text = ABOUT[language].format(_half(sentence.text, set(rarest), set(rarer)))
    else:
        kept = chance.sample(rarer, max(LEAST, round((1 - LEFT_OUT) * len(rarer))))
        text = " ".join(_in_some_form(word, vocabulary.forms(word, language), chance) for word in kept)
    return Question(text, sentence.passage.metadata["file"], language, (sentence.text,))


def _half(text: str, content: set[str], rarer: set[str]) -> str:
    """Half of the words in a row, those with the most rare ones, from one content word to another."""
    words = text.split()
    bare = [BARE.sub("", word).lower() for word in words]
    size = max(SHORTEST // 2, len(words) // 2)
    start = max(
        range(len(words) - size + 1), key=lambda at: sum(word in rarer for word in bare[at : at + size])
    )
    kept = [at for at in range(start, start + size) if bare[at] in content] or [start]
    return BARE.sub("", " ".join(words[kept[0] : kept[-1] + 1]))


def _in_some_form(word: str, others: Sequence[str], chance: random.Random) -> str:
    return chance.choice(others) if others and chance.random() < OTHER_FORM else word


def by_model(ask: Callable[[Document], str], sentence: Sentence, dropped: Counter[str]) -> Question | None:
    """What a model asks about the sentence's passage; an answer that is no question of its own is counted."""
    passage = sentence.passage
    text = flat(ask(passage)).strip("\"'“”«» ")
    if fault := _fault(text, passage.page_content):
        dropped[fault] += 1
        return None
    said = tuple(sentences(passage.page_content))
    return Question(text, passage.metadata["file"], passage.metadata["language"], said)


def _fault(text: str, passage: str) -> str | None:
    words = text.split()
    if not words:
        return "empty"
    if len(words) > TOO_LONG:
        return "too long"
    if not text.endswith(ASKS) or any(sign in text[:-1] for sign in ASKS):
        return "not one question"
    told, run = flat(passage).casefold(), min(COPIED, len(words))
    bare = text.casefold().rstrip("".join(ASKS)).split()
    rows = (" ".join(bare[at : at + run]) for at in range(max(1, len(bare) - run + 1)))
    return "copied" if any(row in told for row in rows) else None
