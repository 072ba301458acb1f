"""Two opinions into one order: the cosine of dense search and the BM25 score of lexical search."""

from __future__ import annotations

from typing import Any

import numpy as np

Scores = np.ndarray[Any, np.dtype[np.float32]]

# Measured on SQuAD 2.0 and XQuAD: MiniLM is an English model, so elsewhere words weigh more.
DENSE_WEIGHT_ENGLISH = 0.45
DENSE_WEIGHT_OTHER = 0.25
POOL = 100


def relevance(cosines: Scores, lexical: Scores, language: str) -> Scores:
    """One relevance in 0..1 a candidate [candidates]: a convex mixture of both, each scaled over the pool."""
    weight = DENSE_WEIGHT_ENGLISH if language == "english" else DENSE_WEIGHT_OTHER
    return weight * _scaled(cosines) + (1 - weight) * _scaled(lexical)


def best(scores: Scores, count: int) -> list[int]:
    """The positions of the highest scores, best first; equal scores keep their order."""
    count = min(count, len(scores))
    chosen = np.argpartition(-scores, count - 1)[:count] if count < len(scores) else np.arange(count)
    return [int(position) for position in sorted(chosen, key=lambda position: (-scores[position], position))]


def _scaled(scores: Scores) -> Scores:
    """Min-max over the best POOL scores; what lies below them is 0."""
    low = np.partition(scores, -POOL)[-POOL] if len(scores) > POOL else scores.min()
    high = scores.max()
    scaled: Scores = np.clip((scores - low) / max(float(high - low), 1e-9), 0, 1)
    return scaled
