"""What was taken in already: a cursor for each log, and where each turn went. Only a cache of the logs.

It is written after the collection, never before: a turn that it does not know is simply taken in again, to
the same id.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from errors import StoreFailed

TABLES = """
create table if not exists facts (name text primary key, value text);
create table if not exists sources (path text primary key, signature text, content text);
create table if not exists held (identity text, path text, primary key (identity, path));
create index if not exists by_path on held (path);
create table if not exists links (session text, path text, parent text, primary key (session, path));
create index if not exists by_parent on links (parent);
create table if not exists turns (
    identity text primary key, alike text, content text);
create index if not exists by_alike on turns (alike);
create table if not exists begun (point text primary key);
"""


@dataclass
class Source:
    """What a log came to: its sessions with the session each goes on from, its turns, and what is wrong."""

    path: str
    signature: str
    sessions: dict[str, str | None] = field(default_factory=dict)
    turns: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass
class Turn:
    """A stored turn: `point` is its id, `labels` what the earliest of its `sessions` says around the text."""

    identity: str
    alike: str
    point: str
    length: int
    redacted: int
    sessions: list[str]
    labels: dict[str, Any]


class Ledger:
    """A SQLite file; a damaged one is put aside and made anew from the logs."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open(path)
        except sqlite3.DatabaseError:
            for part in ("", "-wal", "-shm"):
                path.with_name(path.name + part).unlink(missing_ok=True)
            self._open(path)

    def _open(self, path: Path) -> None:
        self._base = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._base.execute("pragma journal_mode = wal")
        self._base.execute("pragma synchronous = full")
        self._base.executescript(TABLES)

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All of it or nothing."""
        try:
            self._base.execute("begin immediate")
            yield
            self._base.execute("commit")
        except sqlite3.Error as error:
            raise StoreFailed(f"The ledger of the conversations cannot be written: {error}.") from error
        finally:
            if self._base.in_transaction:
                self._base.execute("rollback")

    def store(self) -> str | None:
        """The id of the collection that this ledger speaks of."""
        row = self._base.execute("select value from facts where name = 'store'").fetchone()
        return row[0] if row else None

    def begin(self, store: str) -> None:
        """Forget everything; from now on it speaks of this collection."""
        with self.writing():
            for table in ("facts", "sources", "held", "links", "turns", "begun"):
                self._base.execute(f"delete from {table}")  # noqa: S608  # our own names
            self._base.execute("insert into facts values ('store', ?)", (store,))

    def count(self) -> int:
        """How many turns are stored."""
        return int(self._base.execute("select count(*) from turns").fetchone()[0])

    def announce(self, points: Iterable[str]) -> None:
        """Note the points that are about to be written; `settled` clears them."""
        with self.writing():
            self._base.executemany("insert or ignore into begun values (?)", ((one,) for one in points))

    def unfinished(self) -> list[str]:
        """Announced points that no turn came to: a run was ended while it wrote them."""
        rows = self._base.execute(
            "select point from begun where point not in (select json_extract(content, '$.point') from turns)"
        )
        return [point for (point,) in rows]

    def settled(self) -> None:
        """Nothing is about to be written; within `writing`."""
        self._base.execute("delete from begun")

    def lose(self, points: set[str]) -> None:
        """Drop the turns whose points are not there any more, so that their logs are read again."""
        lost = [turn.identity for turn in self._turns() if turn.point not in points]
        with self.writing():
            self.drop(lost)
            again = "delete from sources where path in (select path from held where identity = ?)"
            self._base.executemany(again, ((identity,) for identity in lost))

    def signatures(self) -> dict[str, str]:
        """The signature of each log as it was when it was taken in."""
        return dict(self._base.execute("select path, signature from sources"))

    def sources(self) -> dict[str, Source]:
        """What each log came to, by its path."""
        rows = self._base.execute("select path, content from sources")
        found = {path: Source(**json.loads(content)) for path, content in rows}
        for identity, path in self._base.execute("select identity, path from held"):
            found[path].turns.append(identity)
        return found

    def paths_of(self, session: str) -> list[str]:
        """The logs that hold a session, or go on from it."""
        rows = self._base.execute(
            "select distinct path from links where session = ? or parent = ?", (session, session)
        )
        return [path for (path,) in rows]

    def turn(self, identity: str) -> Turn | None:
        """A stored turn."""
        return self._one("identity", identity)

    def alike(self, alike: str) -> Turn | None:
        """A stored turn of the same session and text, as the log of another version tells it."""
        return self._one("alike", alike)

    def redacted(self) -> dict[str, int]:
        """How many secrets were taken out of each stored turn."""
        rows = self._base.execute("select identity, json_extract(content, '$.redacted') from turns")
        return dict(rows.fetchall())

    def only_in(self, path: str) -> list[Turn]:
        """The stored turns that no other log holds."""
        rows = self._base.execute(
            "select content from turns where identity in (select identity from held where path = ?) "
            "and not exists (select 1 from held where held.identity = turns.identity and path <> ?)",
            (path, path),
        )
        return [Turn(**json.loads(content)) for (content,) in rows]

    def add(self, turn: Turn) -> None:
        """Note where a turn went; within `writing`."""
        row = (turn.identity, turn.alike, json.dumps(asdict(turn)))
        self._base.execute("insert or replace into turns values (?, ?, ?)", row)

    def drop(self, identities: Iterable[str]) -> None:
        """Turns that are stored no longer; within `writing`."""
        self._base.executemany("delete from turns where identity = ?", ((one,) for one in identities))

    def finish(self, source: Source) -> None:
        """Move the cursor of a log whose turns are all stored; within `writing`."""
        path = source.path
        content = json.dumps(asdict(source) | {"turns": []})
        self._base.execute(
            "insert or replace into sources values (?, ?, ?)", (path, source.signature, content)
        )
        for table in ("links", "held"):
            self._base.execute(f"delete from {table} where path = ?", (path,))  # noqa: S608  # our own names
        links = [(session, path, parent) for session, parent in source.sessions.items()]
        self._base.executemany("insert into links values (?, ?, ?)", links)
        turns = [(identity, path) for identity in dict.fromkeys(source.turns)]
        self._base.executemany("insert into held values (?, ?)", turns)

    def _turns(self) -> list[Turn]:
        return [Turn(**json.loads(content)) for (content,) in self._base.execute("select content from turns")]

    def _one(self, column: str, value: str) -> Turn | None:
        row = self._base.execute(f"select content from turns where {column} = ?", (value,)).fetchone()  # noqa: S608
        return Turn(**json.loads(row[0])) if row else None
