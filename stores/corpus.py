"""Passages with their vectors, and the files that hold them on disk.

passages.jsonl   text, metadata and number of windows of each passage
vectors.f32      the windows' unit vectors [windows, dimension], float32, in the passages' order
lexical/         BM25 arrays and vocabulary
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
from langchain_core.documents import Document

from stores.embeddings import Embedder, Progress, Vectors
from stores.language import detect
from stores.lexical import Lexical

# What separates the words of a file name, an underscore too.
NAME_SIGNS = re.compile(r"[\W_]+")


@dataclass
class Corpus:
    """Passages with the vectors of their windows; `windows[i]` rows of `vectors` belong to passage i."""

    passages: list[Document]
    vectors: Vectors
    windows: list[int]

    def save(self, folder: Path) -> None:
        """Write everything that a search needs into a folder."""
        with (folder / "passages.jsonl").open("w", encoding="utf-8") as stream:
            for passage, windows in zip(self.passages, self.windows, strict=True):
                row = {"text": passage.page_content, "metadata": passage.metadata, "windows": windows}
                stream.write(json.dumps(row) + "\n")
        self.vectors.astype("<f4").tofile(folder / "vectors.f32")
        self.lexical().save(folder / "lexical")

    @classmethod
    def load(cls, folder: Path, dimension: int) -> Corpus:
        """Read what `save` wrote; the caller has checked the checksums."""
        with (folder / "passages.jsonl").open(encoding="utf-8") as stream:
            rows = [json.loads(line) for line in stream]
        passages = _numbered([Document(row["text"], metadata=row["metadata"]) for row in rows])
        vectors = np.fromfile(folder / "vectors.f32", "<f4").reshape(-1, dimension)
        return cls(passages, vectors, [row["windows"] for row in rows])

    def cut(self, lengths: Sequence[int]) -> list[Corpus]:
        """The corpus in consecutive parts of so many passages each."""
        rows = [0, *accumulate(self.windows)]
        ends = list(accumulate(lengths))
        return [
            Corpus(
                self.passages[end - n : end],
                self.vectors[rows[end - n] : rows[end]],
                self.windows[end - n : end],
            )
            for n, end in zip(lengths, ends, strict=True)
        ]

    @classmethod
    def joined(cls, parts: Sequence[Corpus], dimension: int) -> Corpus:
        """Parts one after the other, their passages numbered anew."""
        passages = [passage for part in parts for passage in part.passages]
        vectors = np.concatenate([np.empty((0, dimension), np.float32), *(part.vectors for part in parts)])
        windows = [count for part in parts for count in part.windows]
        return cls(_numbered(passages), vectors, windows)

    def renamed(self, file: str) -> Corpus:
        """The same content under another file name."""
        passages = [
            Document(page_content=passage.page_content, metadata=passage.metadata | {"file": file})
            for passage in self.passages
        ]
        return Corpus(passages, self.vectors, self.windows)

    def lexical(self) -> Lexical:
        """A lexical index of the passages, each with the words of its file's name: what it is about."""
        return Lexical.build([_with_name(passage) for passage in self.passages], self.languages())

    def languages(self) -> list[str]:
        """The language of each passage, as detected when it was indexed."""
        return [passage.metadata["language"] for passage in self.passages]


def embed(passages: Sequence[Document], embedder: Embedder, progress: Progress = lambda done: None) -> Corpus:
    """Embed passages window by window and note the language of each."""
    vectors, windows = embedder.windows([passage.page_content for passage in passages], progress)
    known = [
        Document(passage.page_content, metadata=passage.metadata | {"language": detect(passage.page_content)})
        for passage in passages
    ]
    return Corpus(_numbered(known), vectors, windows)


def _numbered(passages: Sequence[Document]) -> list[Document]:
    """The passages with their position as id, which is how a search finds the way back from a vector."""
    for position, passage in enumerate(passages):
        passage.id = str(position)
    return list(passages)


def _with_name(passage: Document) -> str:
    name = str(passage.metadata.get("file", ""))
    stem = name.rpartition(".")[0] or name
    return f"{NAME_SIGNS.sub(' ', stem)}\n{passage.page_content}"
