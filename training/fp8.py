"""FP8 weights as the hub has them, written anew in bf16, one tensor in memory at a time.

transformers can load such weights as bf16, but what it then saves is FP8 again, without the configuration
that says so: the copy loads as noise. Hence this.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from errors import BadInput
from training.headers import INDEX, Tensor, tensors, weights

FP8 = "F8_E4M3"
SCALES = ("weight_scale_inv", "activation_scale")
# What belongs to another engine's copy of the same weights.
OTHERS = ("params.json", INDEX)
Names = Mapping[str, Tensor]


def method(folder: Path) -> str | None:
    """How a model's folder says that its weights are quantized; None where they are not.

    Raises:
        BadInput: no model lies there.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder} holds no model: its config.json cannot be read.") from error
    return (config.get("quantization_config") or {}).get("quant_method")


def bytes_needed(folder: Path) -> int:
    """What the copy in bf16 takes on the disk [bytes]."""
    kept = [tensor for file in weights(folder) for tensor in _kept(tensors(file)).values()]
    return sum(_converted(tensor).bytes for tensor in kept)


def convert(source: Path, into: Path, say: Callable[[str], None] = lambda text: None) -> None:
    """Write the weights in `source` into the folder `into` as bf16, with everything else that a model needs.

    Raises:
        BadInput: weights that are not FP8 with one scale a tensor, or a file that is cut short.
    """
    files = {file.name: tensors(file) for file in weights(source)}
    places = {name: source / file for file, names in files.items() for name in names}
    for number, (file, names) in enumerate(files.items(), start=1):
        say(f"{file} to bf16, {number} of {len(files)}")
        kept = _kept(names)
        _write(into / file, {name: _converted(tensor) for name, tensor in kept.items()}, _read(kept, places))
    _write_index(into, files)
    _copy_rest(source, into)
    checked(into, sum(tensor.count for names in files.values() for tensor in _kept(names).values()))


def checked(folder: Path, count: int) -> None:
    """Refuse a copy that still holds FP8 or scales, or not exactly `count` numbers.

    Raises:
        BadInput: such a copy.
    """
    found = {name: tensor for file in weights(folder) for name, tensor in tensors(file).items()}
    left = [name for name, tensor in found.items() if tensor.dtype.startswith("F8") or "scale" in name]
    if left or method(folder):
        raise BadInput(f"{folder} is not in bf16: {len(left)} tensors are FP8 or scales, such as {left[:1]}.")
    held = sum(tensor.count for tensor in found.values())
    if held != count:
        raise BadInput(f"{folder} holds {held:,} numbers, and should hold {count:,}.")


def _kept(names: Names) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in names.items() if not name.endswith(SCALES)}


def _converted(tensor: Tensor) -> Tensor:
    return Tensor("BF16", tensor.shape) if tensor.dtype == FP8 else tensor


def _read(kept: Names, places: Mapping[str, Path]) -> Iterator[Any]:
    import torch
    from safetensors import safe_open

    for name, tensor in kept.items():
        with safe_open(places[name], framework="pt") as stream:
            value = stream.get_tensor(name)
        if tensor.dtype == FP8:
            # Every FP8 number is a bf16 number, so that only the product is rounded.
            value = value.to(torch.bfloat16).mul_(_scale(name, places))
        yield value


def _scale(name: str, places: Mapping[str, Path]) -> float:
    from safetensors import safe_open

    wanted = f"{name}_scale_inv"
    if wanted not in places:
        raise BadInput(
            f"{name} is FP8 and has no {wanted}: the weights are incomplete, or not of a kind known here."
        )
    with safe_open(places[wanted], framework="pt") as stream:
        found = stream.get_tensor(wanted)
    if found.numel() != 1:
        raise BadInput(f"{name} has {found.numel()} scales: only FP8 with one scale a tensor is known here.")
    return float(found.float())


def _write(path: Path, layout: Names, values: Iterator[Any]) -> None:
    import torch

    header, at = dict[str, Any]({"__metadata__": {"format": "pt"}}), 0
    for name, tensor in layout.items():
        offsets = [at, at := at + tensor.bytes]
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": offsets}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for value in values:
            stream.write(value.contiguous().flatten().view(torch.uint8).numpy())


def _write_index(into: Path, files: Mapping[str, Names]) -> None:
    kept = {file: _kept(names) for file, names in files.items()}
    size = sum(_converted(tensor).bytes for names in kept.values() for tensor in names.values())
    placed = {name: file for file, names in kept.items() for name in names}
    index = {"metadata": {"total_size": size}, "weight_map": placed}
    (into / INDEX).write_text(json.dumps(index, indent=1), encoding="utf-8")


def _copy_rest(source: Path, into: Path) -> None:
    for file in source.iterdir():
        if file.suffix in {".json", ".jinja", ".txt", ".model"} and file.name not in OTHERS:
            shutil.copyfile(file, into / file.name)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    del config["quantization_config"]
    (into / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
