"""A GGUF written anew with other numbers in some of its tensors, and all else copied byte for byte."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from training.export.gguf_file import Layout, Packed, opened, packed_bytes, padding


def size_with(layout: Layout, kinds: Mapping[str, int]) -> int:
    """How large the file becomes when some tensors have other types [bytes]."""
    before = layout.head + sum(len(_place(tensor, 0, 0)) for tensor in layout.tensors)
    sizes = [before, *(_size(tensor, kinds) for tensor in layout.tensors)]
    return sum(size + padding(size, layout.alignment) for size in sizes)


def write(
    layout: Layout, kinds: Mapping[str, int], numbers: Callable[[Packed], Iterable[Any]], into: Path
) -> None:
    """Write the same file anew, with `numbers` in the place of the tensors that `kinds` gives a type.

    Everything else is copied byte for byte.
    """
    source = opened(layout.path)
    with into.open("wb") as out:
        out.write(source[: layout.head])
        offset = 0
        for tensor in layout.tensors:
            out.write(_place(tensor, kinds.get(tensor.name, tensor.kind), offset))
            size = _size(tensor, kinds)
            offset += size + padding(size, layout.alignment)
        out.write(bytes(padding(out.tell(), layout.alignment)))
        for tensor in layout.tensors:
            if tensor.name in kinds:
                for part in numbers(tensor):
                    out.write(part)
            else:
                out.write(source[tensor.begins : tensor.begins + tensor.bytes])
            out.write(bytes(padding(out.tell(), layout.alignment)))


def _size(tensor: Packed, kinds: Mapping[str, int]) -> int:
    size = packed_bytes(kinds[tensor.name], tensor.shape) if tensor.name in kinds else tensor.bytes
    assert size is not None  # noqa: S101  # what is written has a type that is known
    return size


def _place(tensor: Packed, kind: int, offset: int) -> bytes:
    name, shape = tensor.name.encode("utf-8", "surrogateescape"), tensor.shape
    form = f"<Q{len(name)}sI{len(shape)}QIQ"
    return struct.pack(form, len(name), name, len(shape), *reversed(shape), kind, offset)
