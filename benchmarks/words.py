"""Invented text whose words have the frequencies of a language: its commonest words are real stop words."""

from __future__ import annotations

import random

VOCABULARY = 20_000
SYLLABLES = [start + vowel for start in "bdfglmnprstvz" for vowel in ("a", "e", "i", "o", "u", "on", "er")]
COMMON = """
the of and to a in is it that for was on are with as at be this have from or had by not but what all
were when we there can an your which their if do will each how them then many some so these would into
has more her two him see could no than been its who now my over did down only way may other about out up
they i you he she his our us me
"""


def text(chance: random.Random, words: int) -> str:
    """So many words."""
    return " ".join(_word(int(VOCABULARY ** chance.random()) - 1) for _ in range(words))


def _word(rank: int) -> str:
    common = COMMON.split()
    if rank < len(common):
        return common[rank]
    parts = []
    while rank:
        rank, part = divmod(rank, len(SYLLABLES))
        parts.append(SYLLABLES[part])
    return "".join(parts)
