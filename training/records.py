"""Records where they lie: JSON lines and JSON, the other formats of Hugging Face `datasets`, and its hub."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from errors import BadInput, PartMissing
from loaders.vibe.messages import text_of
from training.manifest import ENDING, must_be_unchanged

# A record, or why there is none, and where it stands; how much of the source is read, of how much.
Record = tuple[Any, str, int, int]

_TABLES = {".parquet": "parquet", ".arrow": "arrow"}
_COMMAS = {".csv": ",", ".tsv": "\t"}
_LINES = {".json", ".jsonl", ".ndjson"}
_OTHERS = re.compile(
    r"(?i)(?:^|[\W_])(?:test|valid|validation|dev|eval)(?:[\W_]|$)"
)  # splits that are not train
_SAVED = ("state.json", "dataset_dict.json")  # what `save_to_disk` leaves
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
NO_JSON = "no JSON"


def file(path: Path) -> Iterator[Record]:
    """The records of a file; what is known of no suffix is read as JSON lines.

    Raises:
        BadInput: it is damaged as a whole, or is not what its manifest says.
    """
    must_be_unchanged(path)
    if path.suffix in _TABLES:
        return _table(path, _TABLES[path.suffix], data_files=str(path))
    if path.suffix in _COMMAS:
        return _cells(path, _COMMAS[path.suffix])
    whole = _json(path) if path.suffix == ".json" else None
    if whole is None:
        return _lines(path)
    return ((one, f"{path.name}:{at}", at, len(whole)) for at, one in enumerate(whole, start=1))


def folder(path: Path) -> Iterator[Record]:
    """The records of a folder: files of rows made of logs, if there are any, else a data set's train split.

    Raises:
        BadInput: there is no data set in it.
    """
    if any((path / name).is_file() for name in _SAVED):
        return _saved(path)
    files = _files(path)
    # What its authors wrote of its parts is known to the library alone.
    if files and not (path / "README.md").is_file():
        return (record for one in files for record in file(one))
    return _table(path, str(path))


def hub(name: str) -> Iterator[Record]:
    """The records of the train split of a data set on the hub: OWNER/NAME, or OWNER/NAME:CONFIGURATION.

    Raises:
        PartMissing: the hub is out of reach and the data set is not here.
        BadInput: there is no such data set, or it cannot be read.
    """
    load_dataset = _library().load_dataset
    place, _, configuration = name.partition(":")
    try:
        found = load_dataset(place, configuration or None, split="train")
    except ConnectionError as error:
        raise PartMissing(
            f"The data set {name} is not here and the hub is out of reach: go online, or give a file instead."
        ) from error
    except _faults() as error:
        raise BadInput(
            f"The data set {name} cannot be read ({_said(error)}): "
            "check its name, or give one of its configurations as OWNER/NAME:CONFIGURATION."
        ) from error
    return _rows(found, name)


def _files(path: Path) -> list[Path]:
    """The files that rows are in: ours if there are any, else those of the train split, if that is named."""
    ours = sorted(one.with_name(one.name.removesuffix(ENDING)) for one in path.glob(f"*{ENDING}"))
    known = _LINES | _COMMAS.keys() | _TABLES.keys()
    found = sorted(one for one in path.rglob("*") if one.suffix in known and not one.name.startswith("."))
    names = {one: one.relative_to(path).with_suffix("").as_posix() for one in found}
    named = [one for one in found if "train" in names[one]]
    return ours or named or [one for one in found if not _OTHERS.search(names[one])]


def _cells(path: Path, sign: str) -> Iterator[Record]:
    """A table in text: every cell is text, while the library makes a number of 007 and nothing of None."""
    csv.field_size_limit(2**30)
    size = path.stat().st_size
    with path.open("rb") as raw, io.TextIOWrapper(raw, "utf-8-sig", "replace", newline="") as stream:
        try:
            for number, record in enumerate(csv.DictReader(stream, delimiter=sign), start=1):
                yield _filled(record), f"{path.name}:{number}", raw.tell(), size
        except csv.Error as error:
            raise BadInput(f"{path} is no table of cells between {sign!r} ({error}).") from error


def _json(path: Path) -> list[Any] | None:
    """The elements of a file that is one JSON array; None for any other file."""
    found = _parsed(path.read_text(encoding="utf-8-sig", errors="replace"))
    return found if isinstance(found, list) else None


def _lines(path: Path) -> Iterator[Record]:
    size = path.stat().st_size
    done = 0
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            done += len(line)
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace")
            if text.strip():
                yield _parsed(text), f"{path.name}:{number}", done, size


def _parsed(text: str) -> Any:
    try:
        found = json.loads(text)
        return _encodable(found) if _HALF.search(text) else found
    except (ValueError, RecursionError):
        return NO_JSON


def _encodable(value: Any) -> Any:
    """JSON without halves of characters, which no tokenizer takes."""
    if isinstance(value, dict):
        return {text_of(key): _encodable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_encodable(one) for one in value]
    return text_of(value) if isinstance(value, str) else value


def _table(path: Path, kind: str, **more: Any) -> Iterator[Record]:
    load_dataset = _library().load_dataset
    # Its cache would keep a copy of what a person may have deleted meanwhile.
    with _told(path), tempfile.TemporaryDirectory() as cache:
        yield from _rows(load_dataset(kind, split="train", cache_dir=cache, **more), path.name)


def _saved(path: Path) -> Iterator[Record]:
    library = _library()
    with _told(path):
        found = library.load_from_disk(str(path))
        yield from _rows(found["train"] if isinstance(found, library.DatasetDict) else found, path.name)


def _rows(found: Any, name: str) -> Iterator[Record]:
    total = len(found)
    for number, record in enumerate(found, start=1):
        yield _filled(record), f"{name}:{number}", number, total


def _filled(value: Any) -> Any:
    """A record without the empty fields that a table gives to each of its rows."""
    if isinstance(value, dict):
        return {key: _filled(one) for key, one in value.items() if one is not None}
    return [_filled(one) for one in value] if isinstance(value, list) else value


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except _faults() as error:
        raise BadInput(
            f"{path} cannot be read as a data set ({_said(error)}): give JSONL, JSON, CSV or Parquet."
        ) from error


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise PartMissing("Reading this takes the library datasets: run `make setup-train`.") from error
    datasets.disable_progress_bars()  # ours says how far it is
    return datasets


def _faults() -> tuple[type[Exception], ...]:
    # RuntimeError: a data set that is a program, which the library refuses to run.
    return (OSError, ValueError, KeyError, RuntimeError, _library().exceptions.DatasetsError)


def _said(error: Exception) -> str:
    """What went wrong, as the library that knows it says, in one line."""
    cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    return (" ".join(str(cause).split()) or type(cause).__name__)[:200].rstrip(".")
