"""Invented words whose frequencies fall as those of a language do."""

from __future__ import annotations

import random

VOCABULARY = 20_000
SYLLABLES = [start + vowel for start in "bdfglmnprstvz" for vowel in ("a", "e", "i", "o", "u", "on", "er")]


def text(chance: random.Random, words: int) -> str:
    """So many words."""
    return " ".join(_word(int(VOCABULARY ** chance.random())) for _ in range(words))


def _word(rank: int) -> str:
    parts = []
    while rank:
        rank, part = divmod(rank, len(SYLLABLES))
        parts.append(SYLLABLES[part])
    return "".join(parts)
