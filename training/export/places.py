"""Where the layers of an adapter lie in a GGUF: under which names, and with their rows in which order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from errors import BadInput
from training.export.gguf_file import Layout, Packed
from training.family import FAMILIES

# What a GGUF calls its architecture, and the families that are kept so.
KNOWN = {
    "llama": ("smollm2", "devstral"),
    "mistral3": ("devstral",),
    "gpt-oss": ("gpt-oss",),
    "gptoss": ("gpt-oss",),  # Ollama's own
}
# In these, neighbouring rows of a head are rotated together; in ours, rows of its two halves.
IN_PAIRS = ("llama", "mistral3")
QUERIES, KEYS = "attention.head_count", "attention.head_count_kv"
HEADS = {"q_proj": QUERIES, "k_proj": KEYS}
NAMES = {
    "q_proj": ("attn_q",),
    "k_proj": ("attn_k",),
    "v_proj": ("attn_v",),
    "o_proj": ("attn_output", "attn_out"),  # attn_out is Ollama's own
    "gate_proj": ("ffn_gate",),
    "up_proj": ("ffn_up",),
    "down_proj": ("ffn_down",),
}
Place = tuple[int, str]
"""A layer's number, and the projection in it."""


def architecture(layout: Layout) -> str:
    """What the file calls the architecture of its model.

    Raises:
        BadInput: one that no adapter of ours is for.
    """
    said = str(layout.facts.get("general.architecture", "nameless"))
    if said not in KNOWN:
        raise BadInput(
            f"{layout.path} holds a {said} model, and a merge is known for {', '.join(KNOWN)} alone."
        )
    return said


def places(layout: Layout, layers: Iterable[str], config: Mapping[str, Any]) -> dict[str, Place]:
    """Where each of an adapter's layers lies, by its name; `config` is the adapter's.

    Raises:
        BadInput: the file's model has no such layer, or has more of them.
    """
    known = architecture(layout)
    beginnings = "|".join(sorted({re.escape(FAMILIES[name].layers) for name in KNOWN[known]}))
    form = re.compile(rf"(?:{beginnings})\.(\d+)\.(?:self_attn|mlp)\.({'|'.join(NAMES)})")
    found = {}
    for layer in layers:
        if not (named := form.fullmatch(layer)):
            raise BadInput(
                f"The adapter's {layer} is no language layer of the {known} model in {layout.path}: "
                "give the GGUF of the base that it was trained on."
            )
        found[layer] = int(named[1]), named[2]
    _must_be_all(layout, {number for number, _ in found.values()}, config)
    return found


def tensor(layout: Layout, there: Mapping[str, Packed], place: Place) -> Packed:
    """The tensor that a layer's weight is; `there` are the file's by their names.

    Raises:
        BadInput: it has none of its own.
    """
    number, projection = place
    names = [f"blk.{number}.{name}.weight" for name in NAMES[projection]]
    if found := next((there[name] for name in names if name in there), None):
        return found
    fused = f"blk.{number}.attn_qkv.weight"
    why = f"has queries, keys and values in one {fused}" if fused in there else f"has no {names[0]}"
    raise BadInput(
        f"{layout.path} {why}, so that the adapter's {projection} has no place: give another GGUF."
    )


def heads(layout: Layout, projection: str, rows: int) -> int:
    """Into how many heads' pairs the rows of a weight part; 0 where they lie in the order of an adapter's.

    Raises:
        BadInput: the file does not say.
    """
    if architecture(layout) not in IN_PAIRS or projection not in HEADS:
        return 0
    facts = {name: f"{architecture(layout)}.{name}" for name in (QUERIES, KEYS)}
    # Without groups, there are as many heads of keys as of queries.
    name = HEADS[projection] if facts[HEADS[projection]] in layout.facts else QUERIES
    found = layout.count(facts[name])
    if not found or rows % (2 * found):
        raise BadInput(
            f"{layout.path} says {found} heads for {rows} rows of {projection}: they do not part so."
        )
    return found


def _must_be_all(layout: Layout, numbers: set[int], config: Mapping[str, Any]) -> None:
    count = layout.count(f"{architecture(layout)}.block_count")
    if max(numbers) >= count:
        raise BadInput(
            f"The adapter reaches layer {max(numbers)}, and {layout.path} has layers 0 to {count - 1}: "
            "the adapter is another model's."
        )
    if len(numbers) < count and config.get("layers_to_transform") is None:
        raise BadInput(
            f"The adapter reaches {len(numbers)} of the {count} layers in {layout.path} and says no "
            "layers_to_transform: it is another model's."
        )
