"""What lies in files of safetensors, from their headers alone: no weights are read, no torch is needed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from errors import BadInput, PartMissing

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
# Bytes a number; all that is not here takes one.
WIDTHS = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}


@dataclass(frozen=True)
class Tensor:
    """A tensor without its numbers; `begins` is where its bytes lie in its file."""

    dtype: str
    shape: tuple[int, ...]
    begins: int = 0

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How much room its numbers take [bytes]."""
        return self.count * WIDTHS.get(self.dtype, 1)


def tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names.

    Raises:
        BadInput: the file is not there, damaged, or cut short.
    """
    try:
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if length > path.stat().st_size:
                raise BadInput(f"{path} is no file of safetensors, or cut short: fetch or make it again.")
            header = json.loads(stream.read(length))
        header.pop("__metadata__", None)
        found = {
            name: Tensor(one["dtype"], tuple(one["shape"]), 8 + length + one["data_offsets"][0])
            for name, one in header.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} cannot be read ({error}): fetch or make it again.") from error
    ends = max((tensor.begins + tensor.bytes for tensor in found.values()), default=0)
    if ends > path.stat().st_size:
        raise BadInput(
            f"{path} is cut short, {path.stat().st_size:,} of {ends:,} bytes: fetch or make it again."
        )
    return found


def weights(folder: Path) -> list[Path]:
    """The files that hold a model's weights, in order.

    Raises:
        PartMissing: one of them is not there.
    """
    index = folder / INDEX
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    else:
        names = [WHOLE]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise PartMissing(
            f"{folder} lacks {len(missing)} of {len(names)} files of weights, such as {missing[0]}."
        )
    return [folder / name for name in names]
