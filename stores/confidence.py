"""How likely it is that what was found answers the question: a logistic regression on two plain facts.

How near the passage is (a cosine) and which share of the question's words stands in it, rare words weighing
more. The weights come from questions with an answer, and the same questions with their article taken away,
half and half; `python -m benchmarks.confidence` fits them anew and says how far they can be trusted.
"""

from __future__ import annotations

import math
from typing import NamedTuple

# No question that was measured has more words of its own: of longer ones nothing is claimed.
MOST_WORDS = 30


class Odds(NamedTuple):
    """What a cosine and a share of words add to the logarithm of the odds, and where these begin."""

    nearness: float
    cover: float
    start: float


ENGLISH = Odds(17.6, 9.1, -12.95)
# MiniLM is an English model: elsewhere a text that has nothing to do with a question is nearer to it.
OTHER = Odds(17.6, 9.1, -14.3)
# Across languages few words are shared and no text is near: here the confidence refuses little.
ACROSS = Odds(10.5, 6.7, -5.36)
# Of what was said before: the question's own conversations against those of strangers.
SAID = Odds(17.2, 9.7, -11.57)


def odds(asked: str, written: str) -> Odds:
    """The odds for a question in one language and a passage in another."""
    if asked != written:
        return ACROSS
    return ENGLISH if asked == "english" else OTHER


def confidence(nearness: float, cover: float, given: Odds) -> float:
    """A probability in 0..1, calibrated where as many questions have an answer as have none."""
    return 1 / (1 + math.exp(-(given.nearness * nearness + given.cover * cover + given.start)))
