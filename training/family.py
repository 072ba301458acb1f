"""The families of models that are trained: how each is loaded, and which of its layers an adapter reaches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from errors import BadInput
from training.recipe import Recipe


@dataclass(frozen=True)
class Family:
    """What models of one family have in common."""

    auto: str
    """The automatic class of transformers that loads them."""
    classes: tuple[str, ...]
    """What their config.json calls itself."""
    layers: str
    """Where the language model's layers lie; an adapter's keys begin with it, and vLLM maps exactly that."""
    aside: tuple[str, ...] = ()
    """Parts that text never passes through: not quantized, not reached, and not kept for training."""
    tokenizer: Mapping[str, bool] = field(default_factory=dict)
    """What its tokenizer is loaded with."""
    nf4: bool = True
    """Whether NF4 reaches most of the weights; bitsandbytes leaves experts in three dimensions alone."""


FAMILIES = {
    "devstral": Family(
        "AutoModelForImageTextToText",
        ("Mistral3ForConditionalGeneration",),
        "model.language_model.layers",
        aside=("model.vision_tower", "model.multi_modal_projector"),
        # Its older copies divide words otherwise than the model was taught, and are only mended when asked.
        tokenizer={"fix_mistral_regex": True},
    ),
    "gpt-oss": Family("AutoModelForCausalLM", ("GptOssForCausalLM",), "model.layers", nf4=False),
    "smollm2": Family("AutoModelForCausalLM", ("LlamaForCausalLM",), "model.layers"),
}


def of(recipe: Recipe) -> Family:
    """The family of a recipe's base."""
    return FAMILIES[recipe.family]


def quantized(recipe: Recipe, cuda: bool) -> bool:
    """Whether the base is really held in NF4: on a GPU only, and only where that makes it smaller."""
    return cuda and recipe.quantization == "nf4" and of(recipe).nf4


def pattern(recipe: Recipe) -> str:
    """The regular expression that a layer's whole name must match to be reached; PEFT takes it as it is."""
    names = "|".join(map(re.escape, recipe.target_modules))
    return rf"{re.escape(of(recipe).layers)}\.\d+\.(self_attn|mlp)\.({names})"


def reached(recipe: Recipe, model: Any) -> list[str]:
    """The names of the linear layers that the recipe's adapter changes."""
    wanted = re.compile(pattern(recipe))
    return [name for name in _linear(model) if wanted.fullmatch(name)]


def lora_config(recipe: Recipe, model: Any) -> Any:
    """PEFT's configuration of the adapter.

    Raises:
        BadInput: one of the recipe's names is no linear layer of the language model.
    """
    from peft import LoraConfig

    hit = {name.rpartition(".")[2] for name in reached(recipe, model)}
    missed = [name for name in recipe.target_modules if name not in hit]
    if missed:
        within = re.compile(rf"{re.escape(of(recipe).layers)}\.\d+\..*")
        there = sorted({name.rpartition(".")[2] for name in _linear(model) if within.fullmatch(name)})
        raise BadInput(
            f"target_modules: {', '.join(missed)} is no linear layer of the language model of {recipe.base}: "
            f"it has {', '.join(there)}."
        )
    return LoraConfig(
        r=recipe.r,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=pattern(recipe),
        task_type="CAUSAL_LM",
    )


def prepared(recipe: Recipe, model: Any) -> Any:
    """The base, frozen, without the parts that text never passes through, and safe to evaluate at first.

    Not peft's prepare_model_for_kbit_training, which turns embeddings and gpt-oss' experts into fp32: twice
    the memory for nothing.
    """
    for name in of(recipe).aside:
        owner, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(owner), attribute, None)
    model.requires_grad_(False)
    never_packed(model)
    return model


def never_packed(model: Any) -> int:
    """Keep bitsandbytes from repacking NF4 layers on a processor; how many such layers there are.

    On processors with AVX512-BF16 it repacks a layer at the first forward pass in evaluation, and never back.
    The packed product has no gradient, so that training after an evaluation learns next to nothing, silently.
    """
    layers = [module for module in model.modules() if hasattr(module, "support_avx512bf16_for_cpu")]
    for layer in layers:
        layer.support_avx512bf16_for_cpu = False
    return len(layers)


def _linear(model: Any) -> Iterator[str]:
    from torch.nn import Linear

    return (name for name, module in model.named_modules() if isinstance(module, Linear))
