"""A GGUF without its numbers: what its header says, and where its tensors lie.

Read here and not by gguf, which makes an object of every word of the vocabulary (seconds, and gigabytes for a
large one) and refuses a file for a type of tensor that it does not know, also where that is only copied.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from errors import BadInput

MAGIC, VERSIONS, ALIGNMENT = 0x46554747, (2, 3), 32
STRING, ARRAY = 8, 9
# More of them has no model; a damaged file might say anything.
MOST, DIMENSIONS = 1 << 20, 4
# The types of single values, as struct writes them.
SINGLE = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


@dataclass(frozen=True)
class Packed:
    """A tensor without its numbers: its shape (out, in), its type's number, and where its bytes are."""

    name: str
    shape: tuple[int, ...]
    kind: int
    begins: int
    bytes: int


@dataclass(frozen=True)
class Layout:
    """What a file holds: its first `head` bytes say the facts, then come the tensors' places."""

    path: Path
    head: int
    facts: Mapping[str, Any]
    """Single values and texts; lists, such as the vocabulary, are left out."""
    tensors: tuple[Packed, ...]

    @property
    def alignment(self) -> int:
        """At multiples of what each tensor begins [bytes]."""
        return self.count("general.alignment") or ALIGNMENT

    def count(self, name: str) -> int:
        """What the facts give as a whole number; 0 where they do not."""
        value = self.facts.get(name)
        return value if isinstance(value, int) else 0


def opened(path: Path) -> memoryview:
    """The file's bytes, of which the system reads those that are looked at."""
    with path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def read(path: Path) -> Layout:
    """Where everything lies in a file.

    Raises:
        BadInput: it is no GGUF, damaged, cut short, or one of several files of a model.
    """
    try:
        layout = _read(path, _Cursor(opened(path)))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, OverflowError, MemoryError, struct.error) as error:
        raise BadInput(f"{path} is no GGUF, or a damaged one ({error}): fetch or make it again.") from error
    if layout.count("split.count") > 1:
        raise BadInput(
            f"{path} is one of several files of its model: join them with `llama-gguf-split --merge`."
        )
    return layout


def packed_bytes(kind: int, shape: tuple[int, ...]) -> int | None:
    """How much room a tensor takes [bytes]; None where its type is not known."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

    if kind not in set(GGMLQuantizationType):
        return None
    block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    if shape and shape[-1] % block:
        raise ValueError(f"rows of {shape[-1]} numbers in blocks of {block}")
    return math.prod(shape) // int(block) * int(size)


def padding(size: int, alignment: int) -> int:
    """How much is missing to a multiple of the alignment [bytes]."""
    return -size % alignment


class _Cursor:
    """Reads one value after the other."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def number(self, form: str) -> Any:
        (value,) = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return value

    def text(self) -> str:
        length = self.number("Q")
        begins, self.at = self.at, self.at + length
        if self.at > len(self.data):
            raise ValueError("it ends within a text")
        return str(self.data[begins : self.at], "utf-8", "surrogateescape")

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.text()
        if kind != ARRAY:
            return self.number(SINGLE[kind])
        kind, count = self.number("I"), self.number("Q")
        if count > len(self.data):
            raise ValueError("it ends within a list")
        if kind == STRING:
            length, at = struct.Struct("<Q").unpack_from, self.at
            for _ in range(count):
                at += 8 + length(self.data, at)[0]
            self.at = at
        else:
            self.at += count * struct.calcsize(f"<{SINGLE[kind]}")
        return None


def _read(path: Path, cursor: _Cursor) -> Layout:
    if cursor.number("I") != MAGIC:
        raise ValueError("it does not begin with GGUF")
    if (version := cursor.number("I")) not in VERSIONS:
        raise ValueError(f"its version is {version}, not 2 or 3")
    tensors, facts = cursor.number("Q"), cursor.number("Q")
    if max(tensors, facts) > MOST:
        raise ValueError(f"it would hold {tensors} tensors and {facts} facts")
    told = {cursor.text(): cursor.value(cursor.number("I")) for _ in range(facts)}
    head = cursor.at
    places = [_named(cursor) for _ in range(tensors)]
    alignment = Layout(path, head, told, ()).alignment
    return Layout(path, head, told, _laid_out(places, cursor, alignment))


Place = tuple[str, tuple[int, ...], int, int]


def _named(cursor: _Cursor) -> Place:
    name = cursor.text()
    if (dimensions := cursor.number("I")) > DIMENSIONS:
        raise ValueError(f"{name} has {dimensions} dimensions")
    shape = tuple(cursor.number("Q") for _ in range(dimensions))
    return name, shape[::-1], cursor.number("I"), cursor.number("Q")


def _laid_out(places: list[Place], cursor: _Cursor, alignment: int) -> tuple[Packed, ...]:
    begins = cursor.at + padding(cursor.at, alignment)
    end = len(cursor.data)
    starts = sorted({begins + offset for *_, offset in places} | {end})
    following = dict(pairwise(starts))
    tensors = []
    for name, shape, kind, offset in places:
        start = begins + offset
        room = following.get(start, start) - start
        size = packed_bytes(kind, shape)
        if start > end or room < (size or 0):
            raise ValueError(f"{name} is not whole")
        tensors.append(Packed(name, shape, kind, start, room if size is None else size))
    if len({tensor.name for tensor in tensors}) < len(tensors):
        raise ValueError("two tensors have one name")
    return tuple(tensors)
