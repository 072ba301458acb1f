"""Search over past turns: dense and lexical, fused into one relevance, with the cosine kept beside it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.documents import Document

from stores.collection import Collection, Compared, Scope
from stores.confidence import ACROSS, MOST_WORDS, SAID, confidence
from stores.embeddings import Embedder
from stores.language import content_words, detect
from stores.ranking import POOL, relevance
from stores.telling import EQUAL
from stores.weighing import weigh
from stores.words import asked

LANGUAGES_SECONDS = 60.0
# What is pasted after the question costs time and tells little.
QUESTION_LONGEST = 4000


class Memory:
    """The turns of a collection."""

    def __init__(self, collection: Collection, embedder: Embedder) -> None:
        self._collection, self._embedder = collection, embedder
        self._languages: tuple[float, list[str]] = (-math.inf, [])

    def find(self, question: str, k: int, scope: Scope) -> list[Document]:
        """The k most relevant turns, for `stores.telling` to choose from.

        Metadata gains `score` (the cosine), `relevance` (fused, 0..1), what `stores.weighing` adds, and the
        words that were `asked`.
        """
        question = question[:QUESTION_LONGEST]
        language = detect(question)
        vector = self._embedder.query(question).tolist()
        words = asked(question, self._known_languages())
        chosen = self._ranked(vector, words, k, scope, language)
        if not chosen:
            return []
        seen = sorted(self._collection.compared(vector, list(chosen)), key=lambda one: one["id"])
        turns = [_document(one, chosen[one["id"]]) for one in seen]
        weigh(turns, [one["cosines"] for one in seen], words, language)
        said = content_words(question, language)
        for turn in turns:
            turn.metadata["asked"] = said
            turn.metadata["confidence"] = self._sure(turn, language, len(words))
        turns.sort(key=lambda turn: turn.metadata.get("time") or "", reverse=True)
        turns.sort(key=lambda turn: round(turn.metadata["relevance"], EQUAL), reverse=True)
        return turns

    def _ranked(
        self, vector: list[float], words: Sequence[Sequence[int]], k: int, scope: Scope, language: str
    ) -> dict[str, float]:
        """The relevance of the k most relevant points."""
        near = dict(self._collection.nearest(vector, POOL, scope))
        terms = list(dict.fromkeys(form for word in words for form in word))
        worded = dict(self._collection.lexical(terms, POOL, scope))
        points = [*near, *(point for point in worded if point not in near)]
        if not points:
            return {}
        fused = relevance(_column(near, points), _column(worded, points), language)
        return {points[at]: float(fused[at]) for at in np.argsort(-fused, kind="stable")[:k]}

    def _sure(self, turn: Document, language: str, words: int) -> float | None:
        """How likely it is that a turn helps; None where that was not measured."""
        if not self._embedder.calibrated or words > MOST_WORDS:
            return None
        told = turn.metadata
        given = SAID if told["language"] == language else ACROSS
        return round(confidence(told["score"], told["cover"], given), 4)

    def _known_languages(self) -> list[str]:
        """The languages of the turns; counted now and then only, since it costs as much as a search."""
        now = time.monotonic()
        if now - self._languages[0] > LANGUAGES_SECONDS:
            self._languages = (now, list(self._collection.values("language")))
        return self._languages[1]


def _column(scores: dict[str, float], points: Sequence[str]) -> Any:
    """The scores of some points; one that is not among the best counts as the least of them."""
    least = min(scores.values(), default=0.0)
    return np.array([scores.get(point, least) for point in points], np.float32)


def _document(seen: Compared, fused: float) -> Document:
    scores = {"score": round(max(seen["cosines"]), 4), "relevance": round(fused, 4)}
    payload = seen["payload"]
    return Document(payload["page_content"], id=seen["id"], metadata=payload["metadata"] | scores)
