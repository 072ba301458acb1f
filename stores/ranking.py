"""Several opinions into one order: the cosines of dense search and the words of lexical search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stores.runs import Scores

# Of past turns, measured on conversations: MiniLM is an English model, so elsewhere words weigh more.
DENSE_WEIGHT_ENGLISH = 0.45
DENSE_WEIGHT_OTHER = 0.25
POOL = 100


@dataclass(frozen=True)
class Evidence:
    """What speaks for each candidate passage [candidates]."""

    window: Scores
    """The cosine of its best window."""
    piece: Scores
    """The cosine of its best piece."""
    words: Scores
    """Its BM25+ score."""
    cover: Scores
    """How much of the question its best piece holds."""


@dataclass(frozen=True)
class Weights:
    """How much each counts for passages; measured on SQuAD 2.0 and XQuAD (docs/retrieval.md)."""

    english: float = 0.5
    """Of the cosines, where the question is in English."""
    other: float = 0.3
    """Of the cosines, elsewhere."""
    piece: float = 0.5
    """Of the piece within the cosines."""
    cover: float = 0.25
    """Of the cover within the words."""


def weighed(evidence: Evidence, language: str, weights: Weights) -> Scores:
    """One relevance in 0..1 a passage [candidates]: a convex mixture, its parts scaled over the pool."""
    dense = nearness(evidence, weights)
    words = _mixture(_scaled(evidence.cover), _scaled(evidence.words), weights.cover)
    return _mixture(_scaled(dense), words, weights.english if language == "english" else weights.other)


def nearness(evidence: Evidence, weights: Weights) -> Scores:
    """One cosine a passage [candidates]: that of its best piece and that of its best window, mixed."""
    return _mixture(evidence.piece, evidence.window, weights.piece)


def relevance(cosines: Scores, lexical: Scores, language: str) -> Scores:
    """One relevance in 0..1 a turn [candidates]: a convex mixture of both, each scaled over the pool."""
    weight = DENSE_WEIGHT_ENGLISH if language == "english" else DENSE_WEIGHT_OTHER
    return _mixture(_scaled(cosines), _scaled(lexical), weight)


def best(scores: Scores, count: int) -> list[int]:
    """The positions of the highest scores, best first; equal scores keep their order."""
    count = min(count, len(scores))
    chosen = np.argpartition(-scores, count - 1)[:count] if count < len(scores) else np.arange(count)
    return [int(position) for position in sorted(chosen, key=lambda position: (-scores[position], position))]


def _mixture(one: Scores, other: Scores, weight: float) -> Scores:
    return weight * one + (1 - weight) * other


def _scaled(scores: Scores) -> Scores:
    """Min-max over the best POOL scores; what lies below them is 0."""
    low = np.partition(scores, -POOL)[-POOL] if len(scores) > POOL else scores.min()
    high = scores.max()
    scaled: Scores = np.clip((scores - low) / max(float(high - low), 1e-9), 0, 1)
    return scaled
