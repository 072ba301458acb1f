"""What each request was given and why: a line in the log without content, and a row for `explain`.

Written on a thread of its own: a slow disk, or a terminal that nobody reads, never delays a request.
"""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from errors import StoreFailed

TABLES = """
create table if not exists asked (id text primary key, time real, content text);
create index if not exists by_time on asked (time);
create table if not exists counted (status text primary key, requests integer);
"""
MOST_ROWS = 10_000
WAITING = 10_000
AT_ONCE = 200
FEW_SECONDS = 5.0
PAUSE_SECONDS = 0.05  # so that many requests share a write
# What a person typed, and which memories came near it: in the row only.
CONTENT = ("query", "candidates", "kept")
Row = dict[str, Any]


def open_base(path: Path) -> sqlite3.Connection:
    """The file of rows, made where there is none."""
    base = sqlite3.connect(path, isolation_level=None, timeout=FEW_SECONDS)
    for setting in ("journal_mode = wal", "synchronous = normal", "secure_delete = on"):
        base.execute(f"pragma {setting}")
    base.executescript(TABLES)
    return base


class Journal:
    """Takes rows at once and writes them soon; beyond some thousands that wait, it drops and counts them."""

    def __init__(self, path: Path, log: IO[str] | None, redact: Callable[[str], str]) -> None:
        self._path, self._log, self._redact = path, log, redact
        self._rows: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self.dropped = 0
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def note(self, row: Row) -> None:
        """Take a row; the key `id` names the request, `rag` says what it was given."""
        if self._rows.qsize() < WAITING:
            self._rows.put(row | {"time": time.time()})
        else:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, within a few seconds."""
        self._rows.put(None)
        self._thread.join(FEW_SECONDS)

    def _write(self) -> None:
        with closing(_Rows(self._path)) as kept:
            done = False
            while not done:
                rows = [self._rows.get()]
                if rows[0] is not None:
                    time.sleep(PAUSE_SECONDS)
                while len(rows) < AT_ONCE and not self._rows.empty():
                    rows.append(self._rows.get())
                done = None in rows
                self._put([row for row in rows if row is not None], kept)

    def _put(self, rows: list[Row], kept: _Rows) -> None:
        for row in rows:
            if row.get("query"):
                row["query"] = self._clean(row["query"])
        self.dropped += 0 if kept.add(rows) else len(rows)
        if self._log is not None:
            try:
                self._log.writelines(_line(row) for row in rows)
                self._log.flush()
            except (OSError, ValueError):  # nobody reads it any more
                self._log = None

    def _clean(self, text: str) -> str:
        """A text without secrets; nothing of it where that cannot be told."""
        try:
            return self._redact(text)
        except Exception:  # noqa: BLE001  # one row must not cost all that come after
            return "[not kept: it could not be redacted]"


class _Rows:
    """The file, open as long as the disk serves it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._base: sqlite3.Connection | None = None

    def add(self, rows: list[Row]) -> bool:
        """Write rows; False where the disk does not take them. A damaged file is begun anew."""
        for anew in (False, True):
            try:
                self._base = self._base or open_base(self._path)
                _store(self._base, rows)
            except sqlite3.Error as error:
                self.close()
                if anew or type(error) is not sqlite3.DatabaseError:
                    return False
                self._remove()
            else:
                break
        return True

    def _remove(self) -> None:
        with suppress(OSError):
            for part in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + part).unlink(missing_ok=True)

    def close(self) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None


def _store(base: sqlite3.Connection, rows: list[Row]) -> None:
    told = [(row["id"], row["time"], json.dumps(row, default=str)) for row in rows if "query" in row]
    counts = [(row["rag"],) for row in rows if "query" in row]
    base.execute("begin immediate")
    base.executemany("insert or replace into asked values (?, ?, ?)", told)
    count = "insert into counted values (?, 1) on conflict (status) do update set requests = requests + 1"
    base.executemany(count, counts)
    oldest = "(select time from asked order by time desc limit 1 offset ?)"
    base.execute(f"delete from asked where time <= {oldest}", (MOST_ROWS,))  # noqa: S608  # our own words
    base.execute("commit")


def _line(row: Mapping[str, Any]) -> str:
    told = {name: value for name, value in row.items() if name not in CONTENT}
    return json.dumps(told, default=str) + "\n"


@contextmanager
def _read(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(open_base(path)) as base:
            yield base
    except sqlite3.Error as error:
        raise StoreFailed(f"{path} cannot be used: {error}.") from error


def explained(path: Path, request: str) -> Row | None:
    """The row of a request; None where there is none."""
    if not path.is_file():
        return None
    with _read(path) as base:
        row = base.execute("select content from asked where id = ?", (request,)).fetchone()
    return dict(json.loads(row[0])) if row else None


def counted(path: Path) -> dict[str, int]:
    """How many requests were given what, since the file was begun."""
    if not path.is_file():
        return {}
    with _read(path) as base:
        return dict(base.execute("select status, requests from counted"))


def forget(path: Path) -> None:
    """Remove every row, also from the disk; the counts stay.

    All of them, since any question may be the one that is to be forgotten, or lean on it.
    """
    if not path.is_file():
        return
    with _read(path) as base:
        base.execute("delete from asked")
        if base.execute("pragma wal_checkpoint(truncate)").fetchone()[0]:
            raise sqlite3.OperationalError("somebody is reading it")
