"""How much memory a training run takes, by item and before anything is loaded. Estimates, in GB (10⁹ bytes).

The numbers of values that a layer keeps were counted on the layers of transformers themselves, tensor by
tensor, without a GPU; tests/training/test_memory.py counts again. What a CUDA context takes is a guess.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from training import family
from training.recipe import Recipe
from training.shapes import Shape

How = Literal["ours", "plain", "processor"]
"""On a GPU as this program trains, on a GPU as tutorials do (peft's k-bit preparation to fp32, the vision
tower kept, all logits at once), or on a processor."""

GB = 1e9
# Half a byte, one scale of 8 bits every 64 values, and one of 32 bits every 256 of those.
NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
# Bytes a parameter that is trained, where the optimizer has its own opinion; two moments each.
STATES = {
    "paged_adamw_32bit": 8.0,
    "paged_adamw_8bit": 2 * (1 + 4 / 256),
    "adamw_bnb_8bit": 2 * (1 + 4 / 256),
}
# TRL 1.16 projects so many positions on so much of the vocabulary at a time, and keeps no more of the logits.
TILE = (4096, 32_768)
TILE_BYTES = {"ours": 2, "processor": 31}  # without Triton: the tile once in 16 and seven times in 32 bits
WHOLE_LOGITS_BYTES = 10  # in 16 bits, in 32 bits, and the gradient in 32
CUDA_CONTEXT = 1.0
PROCESS, PROCESS_WITH_CUDA = 0.9, 4.0  # Python with torch and trl; the first is measured, the second a guess
# Measured on a processor: what its allocator could not hand out again, of all that came and went.
LOST = 0.2


@dataclass(frozen=True)
class _Bytes:
    """Bytes a value."""

    linear: float
    other: float
    trained: float
    state: float


def estimate(recipe: Recipe, shape: Shape, tokens: int, how: How = "ours") -> dict[str, float]:
    """GPU memory by item, or on a processor main memory [GB]; `tokens` is the length of the longest row."""
    size, held = shape.adapter(recipe.target_modules, recipe.r), _bytes(recipe, how)
    batch = recipe.batch_size * tokens
    items = {
        "weights": shape.linears * held.linear + (shape.attention + shape.mlp - shape.linears) * held.other,
        "embeddings": shape.embeddings * held.other,
        "vision": shape.vision * held.linear if how == "plain" else 0.0,
        "adapter": size * held.trained,
        "gradients": size * held.trained,
        "optimizer": size * held.state,
        "checkpoints": 0.0 if how == "processor" else shape.layers * batch * shape.hidden * 2,
        "activations": _activations(recipe, shape, tokens, how),
        "unpacked": _largest(shape) * 2 if held.linear == NF4 else 0.0,
        "logits": _logits(shape, batch, how),
    }
    return _summed(items, how)


def host(recipe: Recipe, shape: Shape) -> dict[str, float]:
    """Main memory beside a GPU, by item [GB]; weights pass through it one tensor at a time."""
    held, size = _bytes(recipe, "ours"), shape.adapter(recipe.target_modules, recipe.r)
    tensor = max(shape.vocabulary * shape.hidden, 2 * shape.experts * shape.hidden * shape.intermediate)
    items = {"process": PROCESS_WITH_CUDA, "tensor": 2 * tensor * 2 / GB}
    if recipe.optim.startswith("paged"):
        items["optimizer"] = size * held.state / GB  # where the GPU has no room for it
    return {**items, "total": math.fsum(items.values())}


def disk(recipe: Recipe, shape: Shape, how: How = "ours") -> dict[str, float]:
    """Disk by item [GB]: a base that is not there yet, two checkpoints and a third that is being written."""
    held, size = _bytes(recipe, how), shape.adapter(recipe.target_modules, recipe.r)
    whole = shape.total * 2 / GB
    here = recipe.base.startswith("bundled:") or Path(recipe.base).expanduser().is_dir()
    items = {
        "base": 0.0 if here else shape.hub_gb or whole,
        "base in bf16": whole if recipe.family == "devstral" or recipe.base.startswith("bundled:") else 0.0,
        "checkpoints": 3 * size * (held.trained + held.state) / GB,
        "adapter": size * held.trained / GB,
    }
    return {**{name: value for name, value in items.items() if value}, "total": math.fsum(items.values())}


def _bytes(recipe: Recipe, how: How) -> _Bytes:
    plain = how == "plain"
    packed = family.quantized(recipe, cuda=how == "ours") or (plain and recipe.quantization == "nf4")
    # TRL turns an adapter over NF4 into bf16; torch's optimizer keeps its moments in what the adapter is in.
    trained = 2.0 if packed and not plain else 4.0
    state = STATES.get(recipe.optim, 2 * trained) if how != "processor" else 2 * trained
    return _Bytes(NF4 if packed else 2.0, 4.0 if plain else 2.0, trained, state)


def _activations(recipe: Recipe, shape: Shape, tokens: int, how: How) -> float:
    """Bytes between the layers' inputs: of one layer, at its fullest, or without checkpoints of all."""
    hidden, inner, attended = shape.hidden, shape.intermediate, shape.attended
    dropped = shape.read(recipe.target_modules) if recipe.lora_dropout else 0
    scores = shape.heads * tokens if shape.whole_scores else 0
    chosen = max(shape.experts_per_token, 1)
    if how == "processor":
        kept = 4.2 * inner * chosen + 9.4 * hidden + 5.3 * attended + 2 * dropped + 2 * scores
        return recipe.batch_size * tokens * shape.layers * 2 * kept
    mlp = chosen * (10 * inner + 2 * hidden) + 2 * hidden if shape.experts else 6 * inner
    kept = 9 * hidden + 4 * attended + 1.5 * dropped + max(mlp, 3 * scores)
    return recipe.batch_size * tokens * 2 * kept


def _logits(shape: Shape, batch: int, how: How) -> float:
    if how == "plain":
        return batch * shape.vocabulary * WHOLE_LOGITS_BYTES
    tile = min(batch, TILE[0]) * min(shape.vocabulary, TILE[1]) * TILE_BYTES[how]
    # Beside the tile: what is projected, in 16 bits, and its gradient in 32 and in 16.
    return tile + batch * shape.hidden * 8


def _largest(shape: Shape) -> int:
    """Values of the largest matrix; in NF4, each is unpacked for a moment when its turn comes."""
    return shape.hidden * max(shape.attended, 0 if shape.experts else shape.intermediate)


def _summed(items: dict[str, float], how: How) -> dict[str, float]:
    found = {name: size / GB for name, size in items.items() if size}
    if how == "processor":
        found["process"] = PROCESS
        found["lost"] = LOST * (found["activations"] + found["logits"])
    else:
        found["context"] = CUDA_CONTEXT
    return {**found, "total": math.fsum(found.values())}
