"""Turns into the collection, each exactly once: written first, noted in the ledger after.

A point's id is made of the turn's identity and content, so that writing it again changes nothing. Killed at
any moment, the next run finds turns that the ledger does not know, and writes them to the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stores.collection import Collection
from stores.forgotten import Forgotten
from stores.ledger import Ledger, Source, Turn
from stores.points import Told, points
from stores.sameness import labels, merged, turn_of

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from stores.embeddings import Embedder

BATCH = 128
FORGOTTEN = "forgotten"


@dataclass
class Taken:
    """What a run wrote: new turns, and turns whose text had changed."""

    new: int = 0
    changed: int = 0


@dataclass
class _Queued:
    """A turn as it is stored, as it shall be, and the documents that tell it, by point."""

    known: Turn | None
    wanted: Turn
    documents: dict[str, Document] = field(default_factory=dict)
    before: str = ""


class Intake:
    """Takes logs in, a batch of turns at a time; call `flush` at the end."""

    def __init__(
        self,
        collection: Collection,
        ledger: Ledger,
        forgotten: Forgotten,
        embedder: Callable[[], Embedder],
        progress: Callable[[int], None] = lambda more: None,
    ) -> None:
        self._collection, self._ledger, self._forgotten = collection, ledger, forgotten
        self._embedder, self._progress = embedder, progress
        self._queue: dict[str, _Queued] = {}
        self._alike: dict[str, str] = {}
        self._sources: list[Source] = []
        self._gone: dict[str, Turn] = {}
        self.taken = Taken()

    def take(self, source: Source, documents: Iterable[Document]) -> None:
        """Queue a log with its turns; its cursor moves once they are all stored."""
        alone = {turn.identity: turn for turn in self._ledger.only_in(source.path)}
        before: Turn | None = None
        text = ""
        for document in documents:
            turn = turn_of(document)
            if self._is_forgotten(turn):
                source.left_out[FORGOTTEN] = source.left_out.get(FORGOTTEN, 0) + 1
                continue
            queued = self._enqueue(turn, document, alone)
            source.turns.append(queued.wanted.identity)
            queued.before = queued.before or (text if before and before.sessions == turn.sessions else "")
            before, text = turn, document.page_content
        if not source.problems:  # a damaged log may have lost what it once told
            self._gone |= {one: turn for one, turn in alone.items() if one not in source.turns}
        self._sources.append(source)
        if len(self._queue) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Store what is queued, then move the cursors; with nothing queued, touch nothing."""
        if not self._sources:
            return
        # What one log no longer tells another may have begun to tell.
        self._gone = {one: turn for one, turn in self._gone.items() if one not in self._queue}
        write, relabel, old = self._plan()
        self._ledger.announce(one.wanted.point for one in write)
        if write:
            self._collection.upsert(points([_told(one) for one in write], self._embedder(), self._progress))
        for turn in relabel:
            self._collection.relabel(turn.point, labels(turn))
        if old:
            self._collection.delete(old)
        with self._ledger.writing():
            for one in self._queue.values():
                self._ledger.add(one.wanted)
            self._ledger.drop(self._gone)
            for source in self._sources:
                self._ledger.finish(source)
            self._ledger.settled()
        self._queue, self._alike, self._sources, self._gone = {}, {}, [], {}

    def _enqueue(self, turn: Turn, document: Document, alone: dict[str, Turn]) -> _Queued:
        known = self._ledger.turn(turn.identity) or self._ledger.alike(turn.alike)
        identity = known.identity if known else self._alike.setdefault(turn.alike, turn.identity)
        turn = replace(turn, identity=identity)
        queued = self._queue.get(identity)
        if queued is not None:
            queued.wanted = merged(queued.wanted, turn)
        elif known is None or identity in alone:  # what only this log tells is as this log tells it now
            queued = _Queued(known, turn)
        else:
            queued = _Queued(known, merged(known, turn))
        self._queue[identity] = queued
        queued.documents[turn.point] = document
        return queued

    def _is_forgotten(self, turn: Turn) -> bool:
        names = (turn.identity, turn.alike)
        return self._forgotten.holds(names, turn.sessions, turn.labels["project"])

    def _plan(self) -> tuple[list[_Queued], list[Turn], list[str]]:
        """What to write, which labels to set, and the points to remove."""
        fresh = [one for one in self._queue.values() if one.known is None]
        there = {
            point["id"]: point["payload"]["metadata"]
            for point in self._collection.fetch([one.wanted.point for one in fresh], False)
        }
        write, relabel, old = [], [], [turn.point for turn in self._gone.values()]
        for one in self._queue.values():
            wanted = one.wanted
            found = there.get(wanted.point) if one.known is None else None
            if found is not None:  # the ledger was lost, not the points
                wanted.sessions = sorted({*wanted.sessions, *found["sessions"]})
                before = {name: found.get(name) for name in labels(wanted)}
            elif one.known is None or one.known.point != wanted.point:
                write.append(one)
                old += [one.known.point] if one.known else []
                self.taken.new += one.known is None
                self.taken.changed += one.known is not None
                continue
            else:
                before = labels(one.known)
            if before != labels(wanted):
                relabel.append(wanted)
        return write, relabel, old


def _told(one: _Queued) -> Told:
    identity = {"identity": one.wanted.identity}
    document = one.documents[one.wanted.point]
    return Told(document, one.wanted.point, labels(one.wanted) | identity, one.before)
