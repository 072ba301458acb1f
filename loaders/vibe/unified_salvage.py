"""A unified store of which no generation is whole: every entry that can still be read, put together."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from loaders.vibe.json_array import elements
from loaders.vibe.json_lines import read_lines
from loaders.vibe.salvage import Damage, Found, Record, Shape
from loaders.vibe.unified_files import (
    Fault,
    chunks,
    digest_of,
    generations,
    load_object,
    read_bytes,
    segments,
)
from loaders.vibe.unified_history import IN_PROGRESS, JOURNAL, History, listed, mapping

_KINDS = ("message", "effect", "reasoning", "checkpoint")
_OPENS = re.compile(r"\s*\[")
_MESSAGE: Record = {}  # stands for one that is lost


def is_entry(record: Record) -> bool:
    """Whether this is an entry of the public history."""
    named = isinstance(record.get("id"), str) and isinstance(record.get("turnId"), str)
    return named and record.get("type") in _KINDS


_FIELDS = frozenset({"content", "createdAt", "generationStatus", "id", "inputEntryId", "sessionId", "turnId"})
_ENTRY = Shape(is_entry, lambda _: _FIELDS)


def salvaged(folder: Path) -> tuple[History, list[str]]:
    """The union of all intact entries of chunks and journal, in order of time, and what the journal lacks."""
    union = _Union()
    problems: list[str] = []
    for generation in reversed(generations(folder)):
        try:
            state = load_object(folder, f"generations/{generation}/projection-state.json")
        except Fault:
            continue  # it was reported when the generation was tried
        union.tell(state.get("snapshot"))
    for name in chunks(folder):
        union.take(*_chunk(folder, name))
    for _, name in segments(folder):
        union.take(_journal(folder, f"journal/{name}", union, problems), False)
    return union.history(), problems


class _Union:
    """Entries from several places, each once in its latest state, and which turns are known to be over."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[tuple[float, bool], Record]] = {}
        self._last: dict[str, set[str]] = {}  # by turn: entries directly followed by one of another turn
        self._completed: dict[str, float] = {}
        self._told = History()

    def tell(self, snapshot: Any) -> None:
        self._told.tell(snapshot)
        turn = mapping(mapping(snapshot).get("latestTurn"))
        name = turn.get("id")
        if isinstance(name, str) and turn.get("status") != IN_PROGRESS:
            self._completed[name] = max(_number(turn.get("completedAt")), self._completed.get(name, 0))

    def take(self, entries: Iterable[Record | None], trusted: bool) -> None:
        """Take the entries of one place in their order; None stands for what is lost between two of them."""
        before: Record | None = None
        for entry in entries:
            # What was said last is followed by something done, if the turn goes on, and hardly by more words.
            said = entry is _MESSAGE and before and before.get("role") == "assistant"
            if before and (said or (entry and entry["turnId"] != before["turnId"])):
                self._last.setdefault(before["turnId"], set()).add(before["id"])
            if entry:
                rank = (_number(entry.get("updatedAt")), trusted)
                known = self._entries.get(entry["id"])
                if known is None or rank > known[0]:
                    self._entries[entry["id"]] = (rank, entry)
            before = entry or None

    def history(self) -> History:
        """All of it in order of time."""
        entries = sorted(
            (entry for _, entry in self._entries.values()), key=lambda entry: _number(entry.get("createdAt"))
        )
        last: dict[str, Record] = {}
        said: dict[str, float] = {}
        for entry in entries:
            last[entry["turnId"]] = entry
            if entry.get("role") == "assistant":
                said[entry["turnId"]] = _number(entry.get("createdAt"))
        ended = {
            turn
            for turn, entry in last.items()
            if entry["id"] in self._last.get(turn, ())
            or said.get(turn, 0) >= self._completed.get(turn, float("inf"))
        }
        told = self._told
        return History({entry["id"]: entry for entry in entries}, told.session, told.latest_turn, ended=ended)


def _chunk(folder: Path, name: str) -> tuple[list[Record | None], bool]:
    """The entries of a chunk, and whether it is just as it was written."""
    try:
        data = read_bytes(folder, name)
    except Fault:
        return [], False
    text = data.decode("utf-8", "surrogateescape")
    opening = _OPENS.match(text)
    found = elements(text, opening.end() if opening else 0, _ENTRY)
    whole = digest_of(data) == Path(name).stem
    return [_entry(piece.record) if isinstance(piece, Found) else _lost(piece) for piece in found], whole


def _lost(damage: Damage) -> Record | None:
    return _MESSAGE if damage.fragment.startswith('{"content"') else None


def _journal(folder: Path, name: str, union: _Union, problems: list[str]) -> Iterator[Record | None]:
    try:
        with (folder / name).open("rb") as file:
            for piece in read_lines(file, JOURNAL):
                if isinstance(piece, Found):
                    yield from _delta(piece.record, union)
                    continue
                problems.append(f"{name}, line {piece.place}: {piece.what}; the rest was kept")
                yield None
    except OSError as error:
        problems.append(f"{name} cannot be read: {error.strerror}")


def _delta(record: Record, union: _Union) -> Iterator[Record | None]:
    if record.get("type") != "projection_delta":
        return
    for operation in listed(mapping(record.get("payload")).get("delta")):
        given = mapping(operation)
        union.tell(given.get("state"))
        if "entry" in given:
            yield _entry(given["entry"])
        if "entries" in given:
            yield None
            yield from map(_entry, listed(given["entries"]))


def _entry(value: Any) -> Record | None:
    return value if isinstance(value, dict) and is_entry(value) else None


def _number(value: Any) -> float:
    return value if isinstance(value, (int, float)) else 0
