"""The shapes of the bases: what memory is estimated from, before a single weight is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from errors import BadInput, PartMissing
from training.recipe import ATTENTION


@dataclass(frozen=True)
class Shape:
    """How large a model is; sizes are counts of values, or of parameters."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool = False
    """Whether one matrix is both embedding and head."""
    experts: int = 0
    """A layer's; 0 where the model is dense."""
    experts_per_token: int = 0
    vision: int = 0
    """Parameters of a vision tower and of what joins it to the language model."""
    whole_scores: bool = False
    """Attention keeps a score for every pair of tokens, since no fused kernel knows it."""
    hub_gb: float = 0.0
    """What the hub sends; 0: its weights are in bf16."""

    @property
    def attended(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head_dim

    @property
    def attention(self) -> int:
        """Parameters of all attention projections."""
        return self.layers * sum(inner * outer for inner, outer in self._ends(ATTENTION))

    @property
    def mlp(self) -> int:
        """Parameters between the attentions: of dense layers, or of all experts."""
        return self.layers * 3 * self.hidden * self.intermediate * max(self.experts, 1)

    @property
    def linears(self) -> int:
        """Parameters that 4-bit loading shrinks: linear layers, and experts are none."""
        return self.attention if self.experts else self.attention + self.mlp

    @property
    def embeddings(self) -> int:
        """Parameters of embedding and head."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def total(self) -> int:
        """All parameters, but norms, biases and routers."""
        return self.attention + self.mlp + self.embeddings + self.vision

    def adapter(self, modules: tuple[str, ...], r: int) -> int:
        """Parameters of a LoRA adapter of rank `r` on these projections."""
        reached = [name for name in modules if name in ATTENTION or not self.experts]
        return self.layers * r * sum(inner + outer for inner, outer in self._ends(reached))

    def read(self, modules: tuple[str, ...]) -> int:
        """Values a token that these projections read in one layer, each for itself."""
        return sum(inner for inner, _ in self._ends(modules))

    def _ends(self, modules: Any) -> list[tuple[int, int]]:
        keys = self.kv_heads * self.head_dim
        ends = {
            "q_proj": (self.hidden, self.attended),
            "k_proj": (self.hidden, keys),
            "v_proj": (self.hidden, keys),
            "o_proj": (self.attended, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }
        return [ends[name] for name in modules]


_SMOLLM2 = Shape(30, 576, 1536, 9, 3, 64, 49_152, tied=True)
KNOWN = {
    # The hub has language model and vision apart: FP8 for the layers, bf16 for all else.
    "mistralai/Devstral-Small-2-24B-Instruct-2512": Shape(
        40, 5120, 32_768, 32, 8, 128, 131_072, vision=439_000_000, hub_gb=25.8
    ),
    # MXFP4 for the experts, bf16 for all else.
    "openai/gpt-oss-20b": Shape(
        24, 2880, 2880, 64, 8, 64, 201_088, experts=32, experts_per_token=4, whole_scores=True, hub_gb=13.8
    ),
    "bundled:SmolLM2-135M-Instruct": _SMOLLM2,
    "HuggingFaceTB/SmolLM2-135M-Instruct": _SMOLLM2,
}


def of(base: str, revision: str | None = None) -> Shape:
    """The shape of a base: known here, or from a config.json on this machine.

    Raises:
        PartMissing: neither.
        BadInput: that config.json is of something else.
    """
    if base in KNOWN:
        return KNOWN[base]
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(
            base, revision=revision, local_files_only=True, trust_remote_code=False
        )
        return _read(config)
    except OSError as error:
        raise PartMissing(
            f"How large {base} is cannot be told without its config.json: "
            f"run `hf download {base} config.json`, or give a folder as base that holds one."
        ) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise BadInput(f"{base} is no language model that transformers knows: give another base.") from error


def _read(config: Any) -> Shape:
    text = config.get_text_config()
    experts = getattr(text, "num_local_experts", 0) or getattr(text, "num_experts", 0) or 0
    return Shape(
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=(experts and getattr(text, "moe_intermediate_size", 0)) or text.intermediate_size,
        heads=text.num_attention_heads,
        kv_heads=getattr(text, "num_key_value_heads", None) or text.num_attention_heads,
        head_dim=getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
        vocabulary=text.vocab_size,
        tied=bool(getattr(config, "tie_word_embeddings", False)),
        experts=experts,
        experts_per_token=getattr(text, "num_experts_per_tok", 0) if experts else 0,
        vision=_vision(config, text.hidden_size),
        whole_scores=text.model_type == "gpt_oss",
    )


def _vision(config: Any, hidden: int) -> int:
    """Parameters of a vision tower: its layers, its patches, and what joins it to the language model."""
    seen = getattr(config, "vision_config", None)
    if seen is None:
        return 0
    width, merged = seen.hidden_size, getattr(config, "spatial_merge_size", 1) ** 2
    layer = 4 * width * width + 3 * width * seen.intermediate_size
    joins = merged * width * width + width * hidden + hidden * hidden
    return int(seen.num_hidden_layers * layer + 3 * seen.patch_size**2 * width + joins)
