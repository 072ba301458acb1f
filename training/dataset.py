"""Rows from files, folders and the hub: instructions with outputs, chats, or what `rows` made of logs."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from errors import BadInput
from training import records
from training.chats import Unusable, chat, tools
from training.logs import Forgotten, Say, nothing, silent
from training.row import Row, fault

REPEATED, GONE = "the same as another row", "forgotten"


@dataclass
class Data:
    """What was read; by reason, how many rows were `dropped`, and how often one was `repaired`."""

    rows: list[Row] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)


def read(path: Path, say: Say = silent, forgotten: Forgotten = nothing) -> Data:
    """Every usable row of a file, or of a folder in a format of Hugging Face `datasets`.

    A row that was made of logs is left out where one of its turns was forgotten since.

    Raises:
        BadInput: nothing is there, it cannot be read, or it holds nothing to learn from.
    """
    must_be_there(path)
    try:
        found = records.folder(path) if path.is_dir() else records.file(path)
        return _usable(_remembered(found, forgotten), str(path), say)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error


def must_be_there(path: Path) -> None:
    """Refuse a path where nothing is.

    Raises:
        BadInput: there is no such file or folder.
    """
    if not path.exists():
        raise BadInput(
            f"There is no {path}: give a JSONL file, or a folder of logs (`make pull-local` copies Vibe's)."
        )


def read_hub(name: str, say: Say = silent) -> Data:
    """Every usable row of the train split of a data set on the hub: OWNER/NAME, or OWNER/NAME:CONFIGURATION.

    Raises:
        PartMissing: the hub is out of reach and the data set is not here.
        BadInput: there is no such data set, or it holds nothing to learn from.
    """
    return _usable(records.hub(name), name, say)


def _usable(found: Iterator[records.Record], name: str, say: Say) -> Data:
    data = Data()
    seen: set[bytes] = set()
    for record, place, done, total in found:
        say("reading rows", done, total)
        try:
            row = _row(record, place, data.repaired)
        except Unusable as reason:
            data.dropped[str(reason)] += 1
            continue
        same = _sha256(row)
        if same in seen:
            data.dropped[REPEATED] += 1
        else:
            seen.add(same)
            data.rows.append(row)
    if not data.rows:
        reasons = ", ".join(f"{count} {why}" for why, count in data.dropped.items()) or "it is empty"
        raise BadInput(f"{name} holds nothing to learn from: {reasons}.")
    return data


def _remembered(found: Iterator[records.Record], forgotten: Forgotten) -> Iterator[records.Record]:
    for record, place, done, total in found:
        labels = record if isinstance(record, dict) else {}
        project = labels.get("project")
        names, sessions, own = (_words(labels.get(name)) for name in ("turns", "sessions", "session"))
        known = (names, sessions + own, project if isinstance(project, str) else None)
        yield GONE if labels and forgotten(*known) else record, place, done, total


def _words(value: Any) -> list[str]:
    found = value if isinstance(value, list) else [value]
    return [one for one in found if isinstance(one, str)]


def _row(record: Any, place: str, repaired: Counter[str]) -> Row:
    if record in (records.NO_JSON, GONE):
        raise Unusable(record)
    if not isinstance(record, dict):
        raise Unusable("no JSON object")
    own: Counter[str] = Counter()
    messages = chat(record, own)
    if why := fault(messages):
        raise Unusable(why)
    repaired.update(own)
    session = record.get("session")
    return Row(
        messages, tools(record.get("tools")), session if isinstance(session, str) and session else place
    )


def _sha256(row: Row) -> bytes:
    told = json.dumps([row.messages, row.tools], sort_keys=True)
    return hashlib.sha256(told.encode()).digest()
