"""Search over past turns: dense and lexical, fused into one relevance, with the cosine kept beside it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.documents import Document

from stores.collection import Collection, Point, Scope
from stores.embeddings import Embedder, Vectors
from stores.excerpt import excerpt
from stores.language import content_words, detect
from stores.ranking import POOL, relevance
from stores.words import asked

# Of five turns at most two may be of one session; so of any number.
SHARE_OF_A_SESSION = 0.4
# Two texts that share so much of their words tell the same.
SAME_WORDS = 0.9
WORD = re.compile(r"\w+")
# A relevance is not known more exactly than this: below it the newer turn is the better one.
EQUAL = 3
LANGUAGES_SECONDS = 60.0
# What is pasted after the question costs time and tells little.
QUESTION_LONGEST = 4000
# So many long turns, best first, have their windows compared; below them the words decide.
COMPARED = 10


class Memory:
    """The turns of a collection; `longest` is how many characters of one are delivered."""

    def __init__(self, collection: Collection, embedder: Embedder, longest: int) -> None:
        self._collection, self._embedder, self._longest = collection, embedder, longest
        self._languages: tuple[float, list[str]] = (-math.inf, [])

    def find(self, question: str, k: int, scope: Scope) -> list[Document]:
        """The k most relevant turns; metadata gains `score` (the cosine) and `relevance` (fused, 0..1)."""
        question = question[:QUESTION_LONGEST]
        language = detect(question)
        vector = self._embedder.query(question)
        given = vector.tolist()
        terms = asked(question, self._known_languages())
        near = dict(self._collection.nearest(given, POOL, scope))
        words = dict(self._collection.lexical(terms, POOL, scope))
        points = [*near, *(point for point in words if point not in near)]
        if not points:
            return []
        fused = relevance(_column(near, points), _column(words, points), language)
        order = np.argsort(-fused, kind="stable")[:k]
        chosen = {points[at]: float(fused[at]) for at in order}
        near |= dict(self._collection.cosines(given, [point for point in chosen if point not in near]))
        found = self._collection.fetch(list(chosen), False)
        documents = [_document(point, near[point["id"]], chosen[point["id"]]) for point in found]
        documents.sort(key=lambda hit: hit.metadata.get("time") or "", reverse=True)
        documents.sort(key=lambda hit: round(hit.metadata["relevance"], EQUAL), reverse=True)
        return self._shortened(documents, vector, content_words(question, language))

    def _known_languages(self) -> list[str]:
        """The languages of the turns; counted now and then only, since it costs as much as a search."""
        now = time.monotonic()
        if now - self._languages[0] > LANGUAGES_SECONDS:
            self._languages = (now, list(self._collection.values("language")))
        return self._languages[1]

    def _shortened(self, documents: list[Document], vector: Vectors, words: list[str]) -> list[Document]:
        """A turn that is too long is delivered by its beginning and the stretch that answers best."""
        long = [hit.id for hit in documents if len(hit.page_content) > self._longest and hit.id]
        fetched = self._collection.fetch(long[:COMPARED], True) if long else []
        windows = {point["id"]: np.array(point["windows"]) for point in fetched}
        for hit in documents:
            stretches = hit.metadata.pop("stretches", [])
            start, end = 0, len(hit.page_content)
            if hit.id in windows and stretches:
                start, end = stretches[int(np.argmax(windows[hit.id] @ vector))]
            hit.page_content = excerpt(hit.page_content, start, end, self._longest, words)
        return documents


def diverse(documents: Sequence[Document], k: int) -> list[Document]:
    """The first k, without near-duplicates, and not more than two of five of the same session."""
    most = math.ceil(SHARE_OF_A_SESSION * k)
    chosen: list[Document] = []
    words: list[set[str]] = []
    for document in documents:
        session = document.metadata["session_id"]
        own = set(WORD.findall(document.page_content.lower()))
        if sum(one.metadata["session_id"] == session for one in chosen) >= most:
            continue
        if any(_overlap(own, other) >= SAME_WORDS for other in words):
            continue
        chosen.append(document)
        words.append(own)
        if len(chosen) == k:
            break
    return chosen


def _column(scores: dict[str, float], points: Sequence[str]) -> Any:
    """The scores of some points; one that is not among the best counts as the least of them."""
    least = min(scores.values(), default=0.0)
    return np.array([scores.get(point, least) for point in points], np.float32)


def _overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(len(one | other), 1)


def _document(point: Point, score: float, fused: float) -> Document:
    scores = {"score": round(score, 4), "relevance": round(fused, 4)}
    payload = point["payload"]
    return Document(payload["page_content"], id=point["id"], metadata=payload["metadata"] | scores)
