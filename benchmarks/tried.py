"""Questions asked where their article is, where it is not, and where they have nothing to do with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from langchain_core.documents import Document

import settings
from benchmarks import questions
from loaders.passages import split
from stores.corpus import Corpus, embed
from stores.documents import Documents
from stores.embeddings import Embedder, load_embedder
from terminal.progress import Bar

# As the recall graph has it: more are fetched than delivered, since some may lie below the minimum.
SPARE, TOP = 4, 3
GOOD, REMOVED, OFF_TOPIC = "good", "removed", "off topic"


@dataclass(frozen=True)
class Tried:
    """A question that was asked somewhere: what for, of which topic, and what was found, best first."""

    kind: str
    topic: str
    found: list[Document]

    @property
    def best(self) -> Document:
        """Of the first three the hit of the highest confidence."""
        return max(self.found[:TOP], key=lambda hit: hit.metadata["confidence"] or 0.0)

    @property
    def sure(self) -> float:
        """Its confidence."""
        return self.best.metadata["confidence"] or 0.0

    @property
    def nearest(self) -> float:
        """The highest cosine."""
        return max((hit.metadata["score"] for hit in self.found), default=-1.0)


def tried(
    asked: questions.QuestionSet, strangers: Iterable[str], chosen: settings.Settings, bar: Bar
) -> list[Tried]:
    """Every question of a set with its article and without, and those that are about something else."""
    embedder = load_embedder(chosen.embedding_model, chosen.data_dir / "models", chosen.threads)
    parts = _embedded(asked, chosen, embedder, bar)
    topics = sorted({asked.topics[one.text] for one in asked.asked})

    def opened(without: str | None) -> Callable[[str], list[Document]]:
        kept = [part for name, part in parts.items() if asked.topics[name] != without]
        corpus = Corpus.joined(kept, next(iter(parts.values())).vectors.shape[1])
        store = Documents(embedder, corpus, corpus.lexical())
        return lambda question: store.find(question, SPARE * chosen.documents_top_k)

    whole = opened(None)
    rows = [Tried(OFF_TOPIC, "", whole(question)) for question in strangers]
    for done, topic in enumerate(topics):
        bar(f"asking {asked.name}", done, len(topics))
        rest = opened(topic)
        own = [one.question for one in asked.asked if asked.topics[one.text] == topic]
        rows += [Tried(GOOD, topic, whole(question)) for question in own]
        rows += [Tried(REMOVED, topic, rest(question)) for question in own]
    return rows


def _embedded(
    asked: questions.QuestionSet, chosen: settings.Settings, embedder: Embedder, bar: Bar
) -> dict[str, Corpus]:
    cut = {
        name: split([Document(text, metadata={"file": name})], chosen.chunk_size, chosen.chunk_overlap)
        for name, text in asked.texts.items()
    }
    passages = [passage for own in cut.values() for passage in own]
    corpus = embed(passages, embedder, lambda done, total: bar("embedding", done, total))
    return dict(zip(cut, corpus.cut([len(own) for own in cut.values()]), strict=True))
