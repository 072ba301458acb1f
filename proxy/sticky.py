"""What each user's turn was given, kept on disk: the same bytes on every later request, also after a restart.

A turn is known by its key (conversation.py) and the session that it was asked in. A resumed client brings
old turns under a new session: they are adopted from the session that the deepest known turn was asked in.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from errors import StoreFailed

TABLE = """
create table if not exists given (
    key text, session text, block text, memories text, made real, used real, primary key (key, session));
create index if not exists by_use on given (used);
"""
MOST_TURNS = 20_000
PRUNE_EVERY = 256
TOUCH_SECONDS = 3600.0
BUSY_SECONDS = 0.1
# More keys than SQLite takes in one statement would be the turns of a very long conversation.
AT_ONCE = 500


P = ParamSpec("P")
R = TypeVar("R")


def _told(operation: Callable[P, R]) -> Callable[P, R]:
    """What goes wrong with the file, in one sentence."""

    @wraps(operation)
    def told(*given: P.args, **named: P.kwargs) -> R:
        try:
            return operation(*given, **named)
        except sqlite3.Error as error:
            raise StoreFailed(f"What turns were given cannot be kept: {error}.") from error

    return told


@dataclass(frozen=True)
class Given:
    """What a turn was given: a block ("" is: nothing relevant), of which memories, when, in which session."""

    block: str
    memories: tuple[str, ...] = ()
    session: str = ""
    made: float = 0.0


class Sticky:
    """A SQLite file that several processes may use at once; it holds the most recently used turns.

    Every operation raises StoreFailed when the disk does not serve.
    """

    def __init__(self, path: Path, most_turns: int = MOST_TURNS) -> None:
        self._most_turns, self._written = most_turns, 0
        try:
            self._open(path)
        except sqlite3.OperationalError:  # no disk to write on: as long as this process lasts
            self._open(Path(":memory:"))
        except sqlite3.DatabaseError:  # damaged; it only costs that turns are looked up again
            for part in ("", "-wal", "-shm"):
                path.with_name(path.name + part).unlink(missing_ok=True)
            self._open(path)

    def _open(self, path: Path) -> None:
        self._base = sqlite3.connect(
            path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False
        )
        self._base.execute("pragma journal_mode = wal")
        self._base.execute("pragma synchronous = normal")
        self._base.execute("pragma secure_delete = on")
        self._base.executescript(TABLE)

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    @_told
    def known(self, keys: Mapping[int, str], session: str) -> dict[int, Given]:
        """What the turns of a conversation were given, by their index; turns never seen are absent."""
        rows = self._rows(list(keys.values()))
        origin = next((rows[key][0].session for key in reversed([*keys.values()]) if key in rows), session)
        found: dict[int, Given] = {}
        for index, key in keys.items():
            if key not in rows:
                continue
            by_session = {given.session: given for given in rows[key]}
            found[index] = by_session.get(session) or by_session.get(origin) or rows[key][0]
        self._touch(keys[index] for index, given in found.items() if given.made < time.time() - TOUCH_SECONDS)
        return found

    @_told
    def remember(self, key: str, session: str, given: Given, *, anew: bool = False) -> Given:
        """Keep what a turn was given; whoever came first wins, unless `anew`. Gives what is kept."""
        now = time.time()
        row = (key, session, given.block, json.dumps(given.memories), now, now)
        clash = "replace" if anew else "ignore"
        self._base.execute(f"insert or {clash} into given values (?, ?, ?, ?, ?, ?)", row)  # noqa: S608  # ours
        self._prune()
        kept = {one.session: one for one in self._rows([key])[key]}
        return kept.get(session, given)

    @_told
    def forget(self, memories: Iterable[str]) -> int:
        """Remove every block that holds one of some memories; gives how many went."""
        gone = 0
        for memory in memories:
            where = "where exists (select 1 from json_each(memories) where value = ?)"
            gone += self._base.execute(f"delete from given {where}", (memory,)).rowcount  # noqa: S608  # ours
        if gone:
            self._base.execute("pragma wal_checkpoint(truncate)")
        return gone

    def _rows(self, keys: list[str]) -> dict[str, list[Given]]:
        """The rows of each key, the most recent first."""
        found: dict[str, list[Given]] = {}
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"select key, block, memories, session, made from given where key in ({marks}) order by made desc"  # noqa: S608, E501
            for key, block, memories, session, made in self._base.execute(query, some):
                given = Given(block, tuple(json.loads(memories)), session, made)
                found.setdefault(key, []).append(given)
        return found

    def _touch(self, keys: Iterable[str]) -> None:
        now = time.time()
        rows = [(now, key, now - TOUCH_SECONDS) for key in keys]
        if rows:
            self._base.executemany("update given set used = ? where key = ? and used < ?", rows)

    def _prune(self) -> None:
        self._written += 1
        if self._written % PRUNE_EVERY == 1:
            limit = "(select used from given order by used desc limit 1 offset ?)"
            self._base.execute(f"delete from given where used <= {limit}", (self._most_turns,))  # noqa: S608
