"""An adapter added to the weights in a GGUF: only the tensors that it reaches change, all else is copied.

One stretch of rows is in memory at a time. A tensor that was quantized becomes Q8_0: in four bits, what was
learnt could be less than the rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import BadInput
from training.export import copy, gguf_file, lora, places
from training.export.gguf_file import Layout, Packed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float32]

Say = Callable[[str, int, int], None]
STRETCH = 1 << 18
"""How many numbers are in memory at a time."""


@dataclass(frozen=True)
class Target:
    """A tensor that is reached: what it gains, its heads where rows lie in pairs (else 0), its new type."""

    change: lora.Change
    heads: int
    kind: int


@dataclass(frozen=True)
class Merge:
    """A file, and what is added to which of its tensors, by their names."""

    layout: Layout
    adapter: Path
    targets: Mapping[str, Target]

    @property
    def kinds(self) -> dict[str, int]:
        """The types that the reached tensors get."""
        return {name: target.kind for name, target in self.targets.items()}

    @property
    def bytes(self) -> int:
        """How large the merged file becomes [bytes]."""
        return copy.size_with(self.layout, self.kinds)


def planned(adapter: Path, skeleton: Path) -> Merge:
    """What a merge would do, seen from the headers of both.

    Raises:
        BadInput: one of the two cannot be read, or they do not fit each other.
    """
    changes, layout = lora.changes(adapter), gguf_file.read(skeleton)
    there = {tensor.name: tensor for tensor in layout.tensors}
    targets = {}
    for layer, place in places.places(layout, changes, lora.configured(adapter)).items():
        tensor, change = places.tensor(layout, there, place), changes[layer]
        if tensor.shape != change.size:
            raise BadInput(
                f"{tensor.name} of {skeleton} has {_by(tensor.shape)} numbers, and the adapter's {layer} "
                f"{_by(change.size)}: the adapter is another model's."
            )
        heads = places.heads(layout, place[1], change.size[0])
        targets[tensor.name] = Target(change, heads, _kind(layout, tensor))
    return Merge(layout, adapter, targets)


def write(merge: Merge, into: Path, say: Say) -> None:
    """Write the merged file, and tell of each tensor that is done.

    Raises:
        BadInput: the adapter's matrices hold what is no number.
    """
    done = iter(range(1, len(merge.targets) + 1))

    def numbers(tensor: Packed) -> Iterator[Any]:
        yield from _merged(merge, tensor)
        say("merging", next(done), len(merge.targets))

    copy.write(merge.layout, merge.kinds, numbers, into)


def in_pairs(matrix: Numbers, heads: int) -> Numbers:
    """The rows of each head as some GGUFs have them: the first of either half, the second of either, …"""
    rows, columns = matrix.shape
    halves = matrix.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def _merged(merge: Merge, tensor: Packed) -> Iterator[Any]:
    from gguf.constants import GGMLQuantizationType as Kind
    from gguf.quants import dequantize, quantize

    target = merge.targets[tensor.name]
    a = lora.matrix(merge.adapter, target.change.a)
    b = lora.matrix(merge.adapter, target.change.b) * target.change.scale
    if target.heads:
        b = in_pairs(b, target.heads)  # its rows are those of the product
    rows = _rows(merge.layout, tensor)
    step = max(1, STRETCH // tensor.shape[1])
    for at in range(0, len(rows), step):
        before = dequantize(rows[at : at + step], Kind(tensor.kind))
        yield quantize(before + b[at : at + step] @ a, Kind(target.kind))


def _rows(layout: Layout, tensor: Packed) -> Any:
    import numpy as np

    data = gguf_file.opened(layout.path)[tensor.begins : tensor.begins + tensor.bytes]
    return np.frombuffer(data, np.uint8).reshape(tensor.shape[0], -1)


def _kind(layout: Layout, tensor: Packed) -> int:
    """The type of a tensor once it is changed."""
    from gguf import quants
    from gguf.constants import GGMLQuantizationType as Kind

    if tensor.kind in {Kind.F32, Kind.F16, Kind.BF16}:
        return tensor.kind
    try:
        quants.dequantize(_rows(layout, tensor)[:1], Kind(tensor.kind))
    except (NotImplementedError, ValueError) as error:
        raise BadInput(
            f"{tensor.name} of {layout.path} has type {tensor.kind}, which cannot be turned into numbers: "
            "give a GGUF of another quantization."
        ) from error
    return int(Kind.Q8_0)


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
