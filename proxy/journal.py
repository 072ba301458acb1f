"""What each request was given and why: a line in the log without content, and a row for `explain`.

Written on a thread of its own: a slow disk, or a terminal that nobody reads, never delays a request.
"""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

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
        self._rows: queue.Queue[Row | None] = queue.Queue(WAITING)
        self.dropped = 0
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def note(self, row: Row) -> None:
        """Take a row; the key `id` names the request, `rag` says what it was given."""
        try:
            self._rows.put_nowait(row | {"time": time.time()})
        except queue.Full:
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
                row["query"] = self._redact(row["query"])
        self.dropped += 0 if kept.add(rows) else len(rows)
        if self._log is not None:
            try:
                self._log.writelines(_line(row) for row in rows)
                self._log.flush()
            except (OSError, ValueError):  # nobody reads it any more
                self._log = None


class _Rows:
    """The file, open as long as the disk serves it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._base: sqlite3.Connection | None = None

    def add(self, rows: list[Row]) -> bool:
        """Write rows; False where the disk does not take them."""
        try:
            self._base = self._base or open_base(self._path)
            _store(self._base, rows)
        except sqlite3.Error:
            self.close()
            return False
        return True

    def close(self) -> None:
        if self._base is not None:
            self._base.close()
            self._base = None


def _store(base: sqlite3.Connection, rows: list[Row]) -> None:
    told = [(row["id"], row["time"], json.dumps(row)) for row in rows if "query" in row]
    counts = [(row["rag"],) for row in rows if "query" in row]
    base.execute("begin immediate")
    base.executemany("insert or replace into asked values (?, ?, ?)", told)
    count = "insert into counted values (?, 1) on conflict (status) do update set requests = requests + 1"
    base.executemany(count, counts)
    oldest = "(select time from asked order by time desc limit 1 offset ?)"
    base.execute(f"delete from asked where time <= {oldest}", (MOST_ROWS,))  # noqa: S608  # our own words
    base.execute("commit")


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in row.items() if name not in CONTENT}) + "\n"


def explained(path: Path, request: str) -> Row | None:
    """The row of a request; None where there is none."""
    if not path.is_file():
        return None
    with closing(open_base(path)) as base:
        row = base.execute("select content from asked where id = ?", (request,)).fetchone()
    return dict(json.loads(row[0])) if row else None


def counted(path: Path) -> dict[str, int]:
    """How many requests were given what, since the file was begun."""
    if not path.is_file():
        return {}
    with closing(open_base(path)) as base:
        return dict(base.execute("select status, requests from counted"))


def forget(path: Path, memories: Iterable[str]) -> None:
    """Remove every row that names one of some memories."""
    if not path.is_file():
        return
    with closing(open_base(path)) as base:
        for memory in memories:
            base.execute("delete from asked where instr(content, ?) > 0", (memory,))
        base.execute("pragma wal_checkpoint(truncate)")
