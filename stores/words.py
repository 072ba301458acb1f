"""BM25 as a sparse vector: hashed terms with weights that Qdrant multiplies by their IDF.

The weight of a term saturates with its count and is held against the text's length, as in BM25, but against
a fixed mean length: then a text's weights do not change when others come. A turn also answers, more softly,
to the words of the turn before it ("and if I already pushed?") and to its date. The constants were measured
on conversations (docs/decisions.md).
"""

from __future__ import annotations

import base64
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np

from stores.collection import Words
from stores.language import query_words, terms

K1, B = 1.2, 0.4
MEAN_LENGTH = 100.0
BEFORE = 0.25
# Names in code are one word to a tokenizer and several to a person: test_cart, CORSMiddleware, utf8.
NAME = re.compile(r"\b\w*(?:_|[a-z][A-Z]|[A-Z]{2}[a-z]|\d[A-Za-z]|[A-Za-z]\d)\w*\b")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

Counts = np.ndarray[Any, np.dtype[Any]]


def weighted(text: str, language: str, before: str = "", time: str | None = None) -> Words:
    """What the lexical index keeps of a text in a language, after another text, at a time (ISO 8601)."""
    counts: Counter[int] = Counter()
    for told, share in ((text, 1.0), (before, BEFORE), (_spelled(time), 1.0)):
        for term in terms(_with_parts(told), language):
            counts[_hashed(term)] += share  # type: ignore[assignment]  # a Counter adds up any numbers
    length = sum(counts.values())
    norm = K1 * (1 - B + B * length / MEAN_LENGTH)
    weights = {term: count * (K1 + 1) / (count + norm) for term, count in counts.items()}
    return Words(indices=list(weights), values=list(weights.values()))


def asked(question: str, languages: Iterable[str]) -> list[list[int]]:
    """What the lexical index is asked for a question over texts in some languages: each word's forms."""
    return [[*map(_hashed, forms)] for forms in query_words(_with_parts(question), languages)]


def packed(text: str, language: str) -> str:
    """The terms of a piece of text, as often as they occur, in five letters each."""
    found = [_hashed(term) for term in terms(_with_parts(text), language)]
    return base64.b64encode(np.array(found, "<u4").tobytes()).decode()


@lru_cache(maxsize=10_000)
def dated(day: str | None, language: str) -> bytes:
    """The terms of a day in a language; it is a label, and may change while the text stays."""
    return base64.b64decode(packed(_spelled(day), language))


def counted(pieces: Sequence[tuple[str, bytes]], wanted: Sequence[int]) -> tuple[Counts, Counts]:
    """How often pieces with their days hold each of some terms [pieces, terms], and their lengths."""
    each = [np.frombuffer(base64.b64decode(piece) + day, "<u4") for piece, day in pieces]
    lengths = np.array([len(piece) for piece in each])
    owner = np.repeat(np.arange(len(each)), lengths)
    together = np.concatenate(each)
    columns = [np.bincount(owner[together == term], minlength=len(each)) for term in wanted]
    return np.array(columns).reshape(len(wanted), len(each)).T, lengths[:, None]


def saturated(counts: Counts, lengths: Counts) -> Counts:
    """The BM25 weight of terms that occur so often in texts of such lengths."""
    weights: Counts = counts * (K1 + 1) / (counts + K1 * (1 - B + B * lengths / MEAN_LENGTH))
    return weights


def _spelled(time: str | None) -> str:
    """A date as a person says it: 8 May 2026."""
    if time is None:
        return ""
    day = datetime.fromisoformat(time)
    return f"{day.day} {day:%B} {day.year}"


def _with_parts(text: str) -> str:
    parts = (part for name in NAME.findall(text) for part in PART.findall(name) if part != name)
    return f"{text} {' '.join(parts)}"


def _hashed(term: str) -> int:
    return zlib.crc32(term.encode("utf-8", "replace"))
