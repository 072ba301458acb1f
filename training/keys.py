"""Whether an adapter fits its base, from the headers of its files alone: no weights are loaded, no torch.

A server answers 200 to an adapter whose keys it does not know, lists it, and serves the base unchanged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from errors import BadInput
from training.adapter import CONFIG, WEIGHTS
from training.headers import Tensor, tensors
from training.layers import layers
from training.recipe import SERVED, serving_rank

KEY = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<matrix>[AB])\.weight")
# Of what PEFT can do, vLLM refuses these.
REFUSED = (
    "use_dora",
    "lora_bias",
    "modules_to_save",
    "alora_invocation_tokens",
    "layer_replication",
    "use_qalora",
)
CHUNK = 1 << 16
Pairs = Mapping[str, Mapping[str, Tensor]]
Shapes = Mapping[str, tuple[int, int]]


def effect(folder: Path, base: Mapping[str, Any], max_rank: int | None = None) -> list[str]:
    """Why an adapter does not wholly act on the base whose config.json is given: a sentence a problem.

    `max_rank` is what the server was started with.
    """
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        return [f"{folder} has no {' and no '.join(missing)}: it is no adapter, or its training did not end."]
    try:
        config, found, there = _config(folder), tensors(folder / WEIGHTS), layers(base)
    except BadInput as error:
        return [str(error)]
    pairs = _pairs(found)
    if not pairs:
        return [
            f"No key of {WEIGHTS} is a LoRA matrix as PEFT names them, such as {next(iter(found), 'none')}."
        ]
    return [
        *_unknown(found, pairs, there, str(base["architectures"][0])),
        *_misfits(pairs, there),
        *_ranks(pairs, config, max_rank),
        *_refused(config),
        *_silent(folder / WEIGHTS, pairs),
    ]


def served_rank(folder: Path) -> int:
    """What to give vLLM as --max-lora-rank: the least that it takes and the adapter fits in.

    Raises:
        BadInput: no adapter, or one of a rank that vLLM does not serve.
    """
    return serving_rank(_rank(_config(folder)))


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"{path} cannot be read: it is no adapter, or damaged.") from error


def _rank(config: Mapping[str, Any]) -> int:
    return max(map(int, [config.get("r") or 0, *(config.get("rank_pattern") or {}).values()]))


def _pairs(found: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    pairs: dict[str, dict[str, Tensor]] = {}
    for key, tensor in found.items():
        if named := KEY.fullmatch(key):
            pairs.setdefault(named["layer"], {})[named["matrix"]] = tensor
    return pairs


def _unknown(found: Mapping[str, Tensor], pairs: Pairs, there: Shapes, architecture: str) -> Iterator[str]:
    others = [key for key in found if not (named := KEY.fullmatch(key)) or named["layer"] not in there]
    if others:
        yield (
            f"{len(others)} of {len(found)} keys name no language layer of {architecture}, such as "
            f"{others[0]}: a server may load them without a word and serve the base; train it on that class."
        )
    half = [layer for layer, pair in pairs.items() if len(pair) < 2]
    if half:
        yield f"{len(half)} layers have one matrix of two, such as {half[0]}: the adapter is not whole."


def _misfits(pairs: Pairs, there: Shapes) -> Iterator[str]:
    wrong = [
        layer
        for layer, pair in pairs.items()
        if layer in there and len(pair) == 2 and not _fits(pair["A"].shape, pair["B"].shape, there[layer])
    ]
    if wrong:
        yield f"{len(wrong)} layers have another size in the base, such as {wrong[0]}: another model's."


def _fits(first: tuple[int, ...], second: tuple[int, ...], size: tuple[int, int]) -> bool:
    return (*second[:1], *first[1:]) == size and second[1:] == first[:1]


def _ranks(pairs: Pairs, config: Mapping[str, Any], max_rank: int | None) -> Iterator[str]:
    said, held = _rank(config), max((pair["A"].shape[0] for pair in pairs.values() if "A" in pair), default=0)
    if said != held:
        yield f"{CONFIG} says rank {said}, and the matrices have {held}: the two are of different trainings."
    if max_rank is not None and held > max_rank:
        least = next((one for one in SERVED if one >= held), held)
        yield f"The adapter has rank {held} and the server takes {max_rank}: give it --max-lora-rank {least}."


def _refused(config: Mapping[str, Any]) -> Iterator[str]:
    used = [name for name in REFUSED if config.get(name)]
    if used or config.get("bias", "none") != "none":
        yield f"vLLM refuses an adapter with {', '.join(used) or 'bias'}: train it without."


def _silent(path: Path, pairs: Pairs) -> Iterator[str]:
    with path.open("rb") as stream:
        zero = [layer for layer, pair in pairs.items() if "B" in pair and _is_zero(stream, pair["B"])]
    if len(zero) == len(pairs):
        yield f"All {len(zero)} B matrices are zero: nothing was learnt, and the adapter changes nothing."
    elif zero:
        yield f"{len(zero)} of {len(pairs)} B matrices are zero, as of {zero[0]}: nothing was learnt there."


def _is_zero(stream: Any, tensor: Tensor) -> bool:
    stream.seek(tensor.begins)
    left = tensor.bytes
    while left:
        part = stream.read(min(left, CHUNK))
        # 0x80 alone is the sign of -0.0, or of a number too small to matter.
        if part.strip(b"\x00\x80"):
            return False
        left -= len(part)
    return True
