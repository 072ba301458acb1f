"""What an adapter adds to each layer that it reaches, read from its files without torch."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import BadInput
from training import headers
from training.adapter import CONFIG, WEIGHTS
from training.headers import Tensor
from training.keys import KEY, REFUSED

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# What is more, or other, than a product of two matrices beside each weight.
OTHER = (
    *REFUSED,
    "fan_in_fan_out",
    "trainable_token_indices",
    "target_parameters",
    "use_bdlora",
    "kasa_config",
    "monteclora_config",
    "arrow_config",
)
# These begin by changing the base, so that their matrices mean nothing without the base they changed.
CHANGING = ("pissa", "olora", "corda", "loftq", "lora_ga")
DTYPES = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class Change:
    """What is added to the weight of one layer: `scale` x B @ A."""

    a: Tensor
    b: Tensor
    scale: float

    @property
    def size(self) -> tuple[int, int]:
        """Of the layer, (out, in)."""
        return self.b.shape[0], self.a.shape[1]


def changes(folder: Path) -> dict[str, Change]:
    """What the adapter adds, by the names of the layers.

    Raises:
        BadInput: no adapter, a damaged one, or one that does more than add products of two matrices.
    """
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise BadInput(f"{folder} holds no adapter, {' and '.join(missing)} is not there: give its folder.")
    config, pairs = configured(folder), _pairs(headers.tensors(folder / WEIGHTS))
    _must_be_plain(config)
    return {layer: _change(layer, pair, config) for layer, pair in pairs.items()}


def configured(folder: Path) -> dict[str, Any]:
    """The adapter's configuration.

    Raises:
        BadInput: it cannot be read.
    """
    path = folder / CONFIG
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{path} cannot be read: it is no adapter, or damaged.") from error


def matrix(folder: Path, tensor: Tensor) -> npt.NDArray[np.float32]:
    """The numbers of one of the adapter's matrices.

    Raises:
        BadInput: they are of a type that no adapter has, or not all of them are numbers.
    """
    import numpy as np

    if tensor.dtype not in DTYPES:
        raise BadInput(f"{folder / WEIGHTS} holds {tensor.dtype}, and a merge takes {', '.join(DTYPES)}.")
    kind = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}[tensor.dtype]
    found = np.fromfile(folder / WEIGHTS, kind, tensor.count, offset=tensor.begins).reshape(tensor.shape)
    if tensor.dtype == "BF16":  # the upper half of a float32
        found = (found.astype(np.uint32) << 16).view(np.float32)
    if not np.isfinite(found).all():
        raise BadInput(f"{folder / WEIGHTS} holds numbers that are not finite: train it again.")
    return found.astype(np.float32)


def _pairs(found: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in found.items():
        named = KEY.fullmatch(key)
        if named is None or len(tensor.shape) != 2:
            raise BadInput(f"{key} in {WEIGHTS} is no LoRA matrix as PEFT names them: it cannot be merged.")
        pairs.setdefault(named["layer"], {})[named["matrix"]] = tensor
    half = next((layer for layer, pair in pairs.items() if len(pair) < 2), None)
    if half or not pairs:
        raise BadInput(f"{WEIGHTS} has not both matrices of {half or 'any layer'}: the adapter is not whole.")
    return pairs


def _must_be_plain(config: Mapping[str, Any]) -> None:
    used = [name for name in OTHER if config.get(name)]
    if config.get("bias", "none") != "none":
        used.append("bias")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(CHANGING):
        used.append(f"init_lora_weights: {start}")
    if config.get("peft_type", "LORA") != "LORA":
        used.append(f"peft_type: {config['peft_type']}")
    if used:
        raise BadInput(f"An adapter with {', '.join(used)} cannot be merged into a GGUF: train it without.")


def _change(layer: str, pair: Mapping[str, Tensor], config: Mapping[str, Any]) -> Change:
    said, alpha = (
        _said(config, *names, layer) for names in (("r", "rank_pattern"), ("lora_alpha", "alpha_pattern"))
    )
    a, b = pair["A"], pair["B"]
    rank = a.shape[0]
    if not said == rank == b.shape[1] > 0:
        raise BadInput(
            f"{CONFIG} says rank {said} for {layer}, and its matrices have {rank} and {b.shape[1]}: "
            "the two are of different trainings."
        )
    return Change(a, b, alpha / (rank**0.5 if config.get("use_rslora") else rank))


def _said(config: Mapping[str, Any], name: str, pattern: str, layer: str) -> float:
    """A value of the configuration for one layer; the first pattern that fits its end decides, as in PEFT."""
    patterns = config.get(pattern) or {}
    try:
        fitting = (value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", layer))
        return float(next(fitting, config[name]))
    except (KeyError, TypeError, ValueError, re.error) as error:
        raise BadInput(f"{CONFIG} does not say {name} in numbers: it is damaged.") from error
