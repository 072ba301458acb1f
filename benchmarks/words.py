"""Invented text whose words have the frequencies of a language, and questions as people ask them."""

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


THINGS = """
the login test, the docker build, the price parser, our CI pipeline, the SQLite migration, the retry
logic, the FastAPI endpoint, the CSV export, the nightly backup, the auth middleware, the settings form,
the websocket client, the cache key, the search index, the cron job, the YAML config, the upload handler,
the date formatting, the rate limiter, the payment webhook
"""
ASKED = """
Why does {} fail on Windows?
How did we fix {} last week?
Please add a test for {}.
Where is {} configured?
Can you make {} faster?
What did we decide about {}?
Refactor {} so that it has no global state.
Update {} for Python 3.12.
Which file holds {}?
Explain what {} does with empty input.
Rename the variables in {} and run the tests.
Remove the dead code from {}.
Why is {} slow since the last release?
"""


def question(chance: random.Random) -> str:
    """What somebody asks a coding agent, on one line."""
    thing = chance.choice(" ".join(THINGS.split()).split(", "))
    return chance.choice(ASKED.strip().split("\n")).format(thing)


def text(chance: random.Random, words: int) -> str:
    """So many words; the commonest are real stop words."""
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
