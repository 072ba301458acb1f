"""What each user's turn was given, kept on disk: the same bytes on every later request, also after a restart.

A turn is known by its key (conversation.py) and the session that it was asked in. A resumed client brings
old turns under a new session: they are adopted from the session that the deepest known turn was asked in.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from errors import StoreFailed

TABLE = """
create table if not exists given (
    key text, session text, block text, memories text, made real, used real, primary key (key, session));
create index if not exists by_use on given (used);
"""
KEEP = """
insert into given values (?, ?, ?, ?, ?, ?)
on conflict (key, session) do update
set block = excluded.block, memories = excluded.memories, made = excluded.made, used = excluded.used
where made <= ?"""
MOST_TURNS = 20_000
PRUNE_EVERY = 256
TOUCH_SECONDS = 3600.0
OPEN_SECONDS, BUSY_MS, FORGET_MS = 5.0, 100, 10_000
# More keys than SQLite takes in one statement would be the turns of a very long conversation.
AT_ONCE = 500


P = ParamSpec("P")
R = TypeVar("R")


def _told(operation: Callable[Concatenate[Sticky, P], R]) -> Callable[Concatenate[Sticky, P], R]:
    """What goes wrong with the file, in one sentence; a damaged one is begun anew for what comes next."""

    @wraps(operation)
    def told(self: Sticky, /, *given: P.args, **named: P.kwargs) -> R:
        try:
            result = operation(self, *given, **named)
        except sqlite3.Error as error:
            if type(error) is sqlite3.DatabaseError:
                self.begin(anew=True)
            self.problem = f"What turns were given cannot be kept: {error}."
            raise StoreFailed(self.problem) from error
        self.problem = self.lasting
        return result

    return told


@dataclass(frozen=True)
class Given:
    """What a turn was given: a block ("" is: nothing relevant), of which memories, when, in which session.

    `turns` are the ids of all that the memories tell.
    """

    block: str
    memories: tuple[str, ...] = ()
    session: str = ""
    made: float = 0.0
    turns: tuple[str, ...] = ()


class Sticky:
    """A SQLite file that several processes may use at once; it holds the most recently used turns.

    Every operation raises StoreFailed when the disk does not serve.
    """

    def __init__(self, path: Path, most_turns: int = MOST_TURNS) -> None:
        self._path, self._most_turns, self._written = path, most_turns, 0
        self.problem: str | None = None
        """What does not serve at present."""
        self.lasting: str | None = None
        self._base = self.begin()

    def begin(self, *, anew: bool = False) -> sqlite3.Connection:
        """Open the file; without a disk to write on, rows last as long as this process.

        A damaged file is removed, which only costs that turns are looked up again.
        """
        try:
            if anew:
                for part in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + part).unlink(missing_ok=True)
            self._base = _opened(self._path)
        except sqlite3.DatabaseError as error:
            if type(error) is sqlite3.DatabaseError and not anew:
                return self.begin(anew=True)
            self._base = self._without_disk(error)
        except OSError as error:
            self._base = self._without_disk(error)
        return self._base

    def _without_disk(self, error: Exception) -> sqlite3.Connection:
        self.lasting = f"What turns were given is kept only until the proxy ends: {error}."
        self.problem = self.lasting
        return _opened(Path(":memory:"))

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
        with suppress(sqlite3.OperationalError):  # a disk that takes no mark may still be read
            old = time.time() - TOUCH_SECONDS
            self._touch(keys[index] for index, given in found.items() if given.made < old)
        return found

    @_told
    def remember(self, key: str, session: str, given: Given, *, over: float = 0.0) -> Given:
        """Keep what a turn was given; whoever came first wins, unless that was made until `over`.

        Gives what is kept, so that the same request, asked twice at once, gets the same.
        """
        now = time.time()
        row = (key, session, given.block, json.dumps([given.memories, given.turns]), now, now, over)
        self._base.execute(KEEP, row)
        self._prune()
        kept = {one.session: one for one in self._rows([key]).get(key, ())}
        return kept.get(session, given)

    @_told
    def forget(self, memories: Iterable[str]) -> int:
        """Remove every block that holds one of some memories, also from the disk; gives how many went."""
        gone = 0
        self._base.execute(f"pragma busy_timeout = {FORGET_MS}")
        for memory in memories:
            where = "where exists (select 1 from json_tree(memories) where value = ?)"
            gone += self._base.execute(f"delete from given {where}", (memory,)).rowcount  # noqa: S608  # ours
        if self._base.execute("pragma wal_checkpoint(truncate)").fetchone()[0]:
            raise sqlite3.OperationalError("somebody is reading it")
        return gone

    def _rows(self, keys: list[str]) -> dict[str, list[Given]]:
        """The rows of each key, the most recent first."""
        found: dict[str, list[Given]] = {}
        for start in range(0, len(keys), AT_ONCE):
            some = keys[start : start + AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"select key, block, memories, session, made from given where key in ({marks}) order by made desc"  # noqa: S608, E501
            for key, block, memories, session, made in self._base.execute(query, some):
                told, turns = _ids(memories)
                found.setdefault(key, []).append(Given(block, told, session, made, turns))
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


def _ids(kept: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The memories of a block and all turns that they tell, which once were the same."""
    told = json.loads(kept)
    memories, turns = told if told and isinstance(told[0], list) else (told, told)
    return tuple(memories), tuple(turns)


def _opened(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, isolation_level=None, timeout=OPEN_SECONDS, check_same_thread=False)
    try:
        for setting in ("journal_mode = wal", "synchronous = normal", "secure_delete = on"):
            base.execute(f"pragma {setting}")
        base.executescript(TABLE)
        base.execute(f"pragma busy_timeout = {BUSY_MS}")  # from here on requests wait for it
    except sqlite3.Error:
        base.close()
        raise
    return base
