"""Passages with their vectors, and the files that hold them on disk.

passages.jsonl   text, metadata and numbers of windows and pieces of each passage
vectors.f32      the windows' unit vectors [windows, dimension], float32, in the passages' order
pieces.i8, .f32  the pieces' in a byte a number, and the factor of each
lexical/         BM25 arrays, vocabulary, the terms of each piece
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain, count
from pathlib import Path

import numpy as np
from langchain_core.documents import Document

from stores.embeddings import Embedder, Vectors
from stores.language import detect
from stores.lexical import Lexical
from stores.pieces import Packed, cut

# What separates the words of a file name, an underscore too.
NAME_SIGNS = re.compile(r"[\W_]+")
# How many texts are embedded, and how many there are.
Progress = Callable[[int, int], None]


@dataclass
class Corpus:
    """Passages with the vectors of their windows and pieces, `windows[i]` and `pieces[i]` of passage i."""

    passages: list[Document]
    vectors: Vectors
    windows: list[int]
    packed: Packed
    pieces: list[int]

    def save(self, folder: Path) -> None:
        """Write everything that a search needs into a folder."""
        with (folder / "passages.jsonl").open("w", encoding="utf-8") as stream:
            for passage, windows, pieces in zip(self.passages, self.windows, self.pieces, strict=True):
                counts = {"windows": windows, "pieces": pieces}
                row = {"text": passage.page_content, "metadata": passage.metadata, **counts}
                stream.write(json.dumps(row) + "\n")
        self.vectors.astype("<f4").tofile(folder / "vectors.f32")
        self.packed.save(folder)
        self.lexical().save(folder / "lexical")

    @classmethod
    def load(cls, folder: Path, dimension: int) -> Corpus:
        """Read what `save` wrote; the caller has checked the checksums."""
        with (folder / "passages.jsonl").open(encoding="utf-8") as stream:
            rows = [json.loads(line) for line in stream]
        passages = _numbered([Document(row["text"], metadata=row["metadata"]) for row in rows])
        vectors = np.fromfile(folder / "vectors.f32", "<f4").reshape(-1, dimension)
        windows, pieces = ([row[name] for row in rows] for name in ("windows", "pieces"))
        return cls(passages, vectors, windows, Packed.load(folder, dimension), pieces)

    def cut(self, lengths: Sequence[int]) -> list[Corpus]:
        """The corpus in consecutive parts of so many passages each."""
        windows, pieces = [0, *accumulate(self.windows)], [0, *accumulate(self.pieces)]
        ends = list(accumulate(lengths))
        return [
            Corpus(
                self.passages[end - n : end],
                self.vectors[windows[end - n] : windows[end]],
                self.windows[end - n : end],
                self.packed[pieces[end - n] : pieces[end]],
                self.pieces[end - n : end],
            )
            for n, end in zip(lengths, ends, strict=True)
        ]

    @classmethod
    def joined(cls, parts: Sequence[Corpus], dimension: int) -> Corpus:
        """Parts one after the other, their passages numbered anew."""
        return cls(
            _numbered([passage for part in parts for passage in part.passages]),
            np.concatenate([np.empty((0, dimension), np.float32), *(part.vectors for part in parts)]),
            [count for part in parts for count in part.windows],
            Packed.joined([part.packed for part in parts], dimension),
            [count for part in parts for count in part.pieces],
        )

    def renamed(self, file: str) -> Corpus:
        """The same content under another file name."""
        passages = [
            Document(page_content=passage.page_content, metadata=passage.metadata | {"file": file})
            for passage in self.passages
        ]
        return replace(self, passages=passages)

    def lexical(self, build: Callable[..., Lexical] = Lexical.build) -> Lexical:
        """A lexical index of the passages, each with the words of its file's name: what it is about."""
        texts = [passage.page_content for passage in self.passages]
        return build(texts, self.languages(), [_name(passage) for passage in self.passages])

    def languages(self) -> list[str]:
        """The language of each passage, as detected when it was indexed."""
        return [passage.metadata["language"] for passage in self.passages]


def embed(
    passages: Sequence[Document], embedder: Embedder, progress: Progress = lambda done, total: None
) -> Corpus:
    """Embed passages by windows and by pieces, and note the language of each; what repeats costs once."""
    texts = [passage.page_content for passage in passages]
    pieces = [cut(text) for text in texts]
    rows, vectors = _embedded([*texts, *chain.from_iterable(pieces)], embedder, progress)
    windows, parts = rows[: len(texts)], iter(rows[len(texts) :])
    cuts = [[row for _ in own for row in next(parts)] for own in pieces]
    known = [
        Document(passage.page_content, metadata=passage.metadata | {"language": detect(passage.page_content)})
        for passage in passages
    ]
    return Corpus(
        _numbered(known),
        vectors[[*chain.from_iterable(windows)]],
        [len(own) for own in windows],
        Packed.of(vectors[[*chain.from_iterable(cuts)]]),
        [len(own) for own in cuts],
    )


def _embedded(texts: Sequence[str], embedder: Embedder, progress: Progress) -> tuple[list[range], Vectors]:
    """The rows of each text, and the vectors of all: equal texts share theirs."""
    distinct = list(dict.fromkeys(texts))
    total, done = len(distinct), count(1)
    # A text of several windows is told several times.
    vectors, counts = embedder.windows(distinct, lambda _: progress(min(next(done), total), total))
    rows = {
        text: range(end - own, end)
        for text, own, end in zip(distinct, counts, accumulate(counts), strict=True)
    }
    return [rows[text] for text in texts], vectors


def _numbered(passages: Sequence[Document]) -> list[Document]:
    """The passages with their position as id, which is how a search finds the way back from a vector."""
    for position, passage in enumerate(passages):
        passage.id = str(position)
    return list(passages)


def _name(passage: Document) -> str:
    name = str(passage.metadata.get("file", ""))
    return NAME_SIGNS.sub(" ", name.rpartition(".")[0] or name)
