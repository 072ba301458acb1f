"""The layers of a base that an adapter can reach, told from its config.json alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from errors import BadInput
from training.family import FAMILIES
from training.recipe import ATTENTION, PROJECTIONS


def layers(base: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """The linear layers that an adapter can reach, by the base's config.json, each with its size (out, in).

    Raises:
        BadInput: a base of no family that is trained here.
    """
    architecture = (base.get("architectures") or ["no class"])[0]
    where = next((one.layers for one in FAMILIES.values() if architecture in one.classes), None)
    if where is None:
        known = ", ".join(name for one in FAMILIES.values() for name in one.classes)
        raise BadInput(f"The base is a {architecture}, and adapters are known for {known} alone.")
    text = base.get("text_config", base)
    names = ATTENTION if "num_local_experts" in text else PROJECTIONS
    sizes = _sizes(text)
    return {
        f"{where}.{number}.{'self_attn' if name in ATTENTION else 'mlp'}.{name}": sizes[name]
        for number in range(text["num_hidden_layers"])
        for name in names
    }


def _sizes(text: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    hidden, wide, heads = text["hidden_size"], text["intermediate_size"], text["num_attention_heads"]
    head = text.get("head_dim") or hidden // heads
    queries, keys = heads * head, (text.get("num_key_value_heads") or heads) * head
    return {
        "q_proj": (queries, hidden),
        "k_proj": (keys, hidden),
        "v_proj": (keys, hidden),
        "o_proj": (hidden, queries),
        "gate_proj": (wide, hidden),
        "up_proj": (wide, hidden),
        "down_proj": (hidden, wide),
    }
