"""Chat threads that outlive the process: LangGraph's checkpoints in one SQLite file."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import BadInput, StoreFailed

if TYPE_CHECKING:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

NAME = re.compile(r"[\w.-]{1,64}")


@asynccontextmanager
async def threads(path: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """The checkpointer over a file, which is made where it is not there.

    Raises:
        StoreFailed: the file cannot be opened, or is none of SQLite's.
    """
    import sqlite3

    import aiosqlite
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    try:
        _make(path)
        async with aiosqlite.connect(path) as connection:
            saver = AsyncSqliteSaver(connection)
            await saver.setup()
            yield saver
    except (OSError, sqlite3.DatabaseError) as error:
        raise StoreFailed(f"{path} cannot be used for threads ({error}): move it away.") from error


def said(kept: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was said in a thread, oldest first, by what the answer graph left in its checkpoint."""
    before = [(message.type, str(message.text)) for message in kept.get("history", [])]
    if not kept.get("answer") or kept["abstained"]:
        return before
    return [*before, ("human", kept["question"]), ("ai", kept["answer"])]


def named(thread: str) -> str:
    """A thread's name, if it can be one.

    Raises:
        BadInput: it cannot.
    """
    if not NAME.fullmatch(thread):
        raise BadInput(f"{thread!r} is no name for a thread: use letters, digits, _, . and -, at most 64.")
    return thread


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
