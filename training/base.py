"""The base model, loaded so that an adapter can be trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from errors import BadInput
from training import family, fp8, source
from training.quiet import quiet
from training.recipe import Recipe


def unpacked(recipe: Recipe, cache: Path) -> str:
    """The folder that transformers loads for a recipe; `source.found` also says which revision it is."""
    return str(source.found(recipe, cache).folder)


def tokenizer(folder: str, recipe: Recipe) -> Any:
    """The tokenizer of a base; never mistral-common's, which cannot say what the assistant spoke."""
    from transformers import AutoTokenizer

    with quiet():
        return AutoTokenizer.from_pretrained(folder, mistral_format=False, **family.of(recipe).tokenizer)


def model(folder: str, recipe: Recipe) -> Any:
    """The base, frozen and ready for an adapter: in NF4 on a GPU where the recipe says so, else in 16 bits.

    Raises:
        BadInput: weights that do not fit their class; transformers would draw what is missing at random.
    """
    import torch

    cuda = torch.cuda.is_available()
    how = quantization(folder, recipe, cuda=cuda)
    return family.prepared(recipe, _loaded(folder, recipe, how, _placed() if cuda else None))


def whole(folder: str, recipe: Recipe) -> Any:
    """The base with all its parts, in 16 bits and in host memory, to merge an adapter into.

    Save what comes of it with `save_original_format=False`: otherwise transformers writes gpt-oss' experts
    under the names of their blocks, and draws them at random when it loads them again.

    Raises:
        BadInput: weights that do not fit their class.
    """
    return _loaded(folder, recipe, quantization(folder, recipe, cuda=False), None)


def number_type(recipe: Recipe) -> Any:
    """What is computed in: bf16, or fp16 where the recipe wants that or the GPU has no bf16.

    Raises:
        BadInput: the recipe wants bf16 of a GPU that has none.
    """
    import torch

    able = not torch.cuda.is_available() or torch.cuda.is_bf16_supported(including_emulation=False)
    if recipe.precision == "bf16" and not able:
        raise BadInput("This GPU computes no bf16: write precision: auto, or fp16.")
    return torch.bfloat16 if able and recipe.precision != "fp16" else torch.float16


def quantization(folder: str, recipe: Recipe, *, cuda: bool) -> Any:
    """How the weights are held, as transformers wants it told; None for the 16 bits that lie on the disk."""
    from transformers import BitsAndBytesConfig, Mxfp4Config

    if fp8.method(Path(folder)) == "mxfp4":
        return Mxfp4Config(dequantize=True)  # MXFP4 itself does not learn
    if not family.quantized(recipe, cuda):
        return None
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=number_type(recipe),
        bnb_4bit_quant_storage=number_type(recipe),  # FSDP shards tensors of one type only
        # Whole names from the top: transformers does not find "vision_tower" alone.
        llm_int8_skip_modules=["lm_head", *family.of(recipe).aside],
    )


def _loaded(folder: str, recipe: Recipe, how: Any, places: dict[str, Any] | None) -> Any:
    import transformers

    loader = getattr(transformers, family.of(recipe).auto)
    with quiet():
        made, report = loader.from_pretrained(
            folder,
            dtype=number_type(recipe),
            quantization_config=how,
            device_map=places,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, with the rest
        )
    _must_be_whole(made, report, folder)
    return made


def _placed() -> dict[str, Any]:
    """The GPU of this process; under `accelerate launch` each has its own."""
    from accelerate import PartialState

    return {"": PartialState().device}


def _must_be_whole(made: Any, report: dict[str, Any], folder: str) -> None:
    amiss = {
        str(one) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for one in report[kind]
    }
    if amiss:
        raise BadInput(
            f"The weights in {folder} do not fit a {type(made).__name__}: {len(amiss)} tensors are missing "
            f"or in excess, such as {min(amiss)}. Copies of quantized weights end so: give the original."
        )
