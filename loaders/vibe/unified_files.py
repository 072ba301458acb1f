"""The files of a unified session store, each read with its digest checked."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from loaders.vibe.salvage import Record

_CHUNK = re.compile(r"[0-9a-f]{64}")


class Fault(Exception):
    """A file of the store that cannot be used; the message names it."""


def read_bytes(folder: Path, name: str) -> bytes:
    """The file's bytes; raises Fault where there are none."""
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError:
        raise Fault(f"{name} is missing") from None
    except OSError as error:
        raise Fault(f"{name} cannot be read: {error.strerror}") from error


def load(folder: Path, name: str, digest: str | None) -> Any:
    """The JSON in the file; raises Fault where it is missing, damaged, or another than the digest says."""
    data = read_bytes(folder, name)
    if digest is not None and digest_of(data) != digest:
        raise Fault(f"{name} is damaged or another file: its SHA-256 is not the one expected")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Fault(f"{name} is damaged: it is no whole JSON") from None


def load_object(folder: Path, name: str, digest: str | None = None) -> Record:
    """The JSON object in the file."""
    value = load(folder, name, digest)
    if not isinstance(value, dict):
        raise Fault(f"{name} is damaged: it holds no object")
    return value


def load_chunk(folder: Path, digest: object) -> list[Any]:
    """The array of a chunk, which is named by its digest."""
    if not isinstance(digest, str) or not _CHUNK.fullmatch(digest):
        raise Fault("a manifest names a chunk that is none")
    value = load(folder, f"chunks/{digest}.json", digest)
    if not isinstance(value, list):
        raise Fault(f"chunks/{digest}.json is damaged: it holds no array")
    return value


def digest_of(data: bytes) -> str:
    """The SHA-256 as the store computes it: without the final newline."""
    return hashlib.sha256(data.removesuffix(b"\n")).hexdigest()


def segments(folder: Path) -> list[tuple[int, str]]:
    """The journal's segments in order, each with the number of its first record."""
    found = [path for path in _listed(folder / "journal") if path.stem.isdecimal()]
    return sorted((int(path.stem), path.name) for path in found)


def generations(folder: Path) -> list[str]:
    """The generations that are there, newest first."""
    names = [path.name for path in _listed(folder / "generations") if path.name.isdecimal()]
    return sorted(names, key=int, reverse=True)


def chunks(folder: Path) -> list[str]:
    """The names of all chunks below the store."""
    return sorted(f"chunks/{path.name}" for path in _listed(folder / "chunks") if path.suffix == ".json")


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
