"""A recipe: everything that decides what comes out of a training run. Strict, and kept beside the adapter."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from errors import BadInput
from training.written import mapping, value

RECIPES = Path(__file__).resolve().parent / "recipes"
Family = Literal["devstral", "gpt-oss", "smollm2"]
Optimizer = Literal[
    "adamw_torch", "adamw_torch_fused", "adamw_bnb_8bit", "paged_adamw_8bit", "paged_adamw_32bit"
]
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
PROJECTIONS = (*ATTENTION, "gate_proj", "up_proj", "down_proj")
SERVED = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes for --max-lora-rank."""


class Recipe(BaseModel):
    """What is trained, and how; the names are those of peft and transformers where those have one."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    base: str = Field(min_length=1)
    """A name on the model hub, or a folder."""
    revision: str | None = Field(None, min_length=1)
    family: Family
    """How the base is loaded, which of its layers are reached, and which template its conversations have."""
    quantization: Literal["nf4", "none"] = "nf4"
    """What the frozen weights are held in; on a processor always bf16, since NF4 is no saving there."""

    r: int = Field(ge=1, le=SERVED[-1])
    lora_alpha: int = Field(ge=1, le=4096)
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: tuple[str, ...] = Field(min_length=1)
    """Names of linear layers of the language model; a vision tower is never touched."""

    optim: Optimizer = "paged_adamw_8bit"
    """On a processor always adamw_torch."""
    learning_rate: float = Field(gt=0, le=1)
    lr_scheduler_type: Literal["linear", "cosine", "constant"] = "cosine"
    warmup_share: float = Field(0.03, ge=0, lt=1)
    """Of all steps."""
    batch_size: int = Field(1, ge=1, le=1024)
    accumulation: int = Field(1, ge=1, le=4096)
    """Batches a step."""
    epochs: float = Field(3, gt=0, le=1000)
    precision: Literal["auto", "bf16", "fp16"] = "auto"
    """auto: bf16 where the machine has it, else fp16."""
    max_tokens: int = Field(4096, ge=64, le=1_048_576)
    """The longest row; longer ones are cut at the boundaries of turns."""
    held_back: float = Field(0.1, ge=0, lt=1)
    """The share of sessions that is not trained on, for evaluation."""
    save_steps: int = Field(50, ge=1)
    seed: int = Field(0, ge=0, lt=2**32)
    output: str = Field(pattern=r"^[A-Za-z0-9_][\w.-]*/?$")
    """The folder of the adapter, below DATA_DIR/adapters, where none is given."""

    @property
    def steps_rows(self) -> int:
        """Rows a step of the optimizer."""
        return self.batch_size * self.accumulation


def load(name: str | Path) -> Recipe:
    """The recipe in a file, or one of ours by its name.

    Raises:
        BadInput: no such recipe, or one that is not as it must be.
    """
    path = _file(name)
    return parse(mapping(path), path)


def parse(given: Mapping[Any, Any], source: Path | str) -> Recipe:
    """A recipe from what was written; `source` is named in the error.

    Raises:
        BadInput: a key is unknown or missing, or its value cannot be meant.
    """
    named = {str(key): _read(str(key), written) for key, written in given.items()}
    try:
        made = Recipe(**named)
    except ValidationError as error:
        raise BadInput(f"{source}: {_sentence(error)}.") from error
    if fault := _unreachable(made):
        raise BadInput(f"{source}: target_modules: {fault}.")
    return made


def override(recipe: Recipe, changes: Iterable[str]) -> Recipe:
    """The recipe with `key=value` in the place of what it says; values are written as in a recipe's file.

    Raises:
        BadInput: what a file would not be allowed to say either, or a key twice.
    """
    changed: dict[str, Any] = {}
    written = list(changes)
    for change in written:
        key, equals, text = (part.strip() for part in change.partition("="))
        if not (key and equals and text):
            raise BadInput(f"{change!r} changes nothing: write key=value, as in max_tokens=2048.")
        if key in changed:
            raise BadInput(f"{key} is given twice: leave one of them out.")
        changed[key] = value(text, change)
    return parse(recipe.model_dump() | changed, ", ".join(written) or recipe.base)


def as_yaml(recipe: Recipe) -> str:
    """The recipe as a file would say it, with all that it left to the defaults."""
    return str(yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def serving_rank(r: int) -> int:
    """What vLLM's --max-lora-rank has to be for an adapter of rank `r`.

    Raises:
        BadInput: vLLM serves none so large.
    """
    if not 1 <= r <= SERVED[-1]:
        raise BadInput(f"vLLM serves no adapter of rank {r}: train one from 1 to {SERVED[-1]}.")
    return next(rank for rank in SERVED if rank >= r)


def _file(name: str | Path) -> Path:
    path, known = Path(name), sorted(file.stem for file in RECIPES.glob("*.yaml"))
    if path.is_file():
        return path
    stem = path.name.removesuffix(".yaml")
    if path.parent == Path() and stem in known:
        return RECIPES / f"{stem}.yaml"
    raise BadInput(f"There is no recipe {name}: give a file, or one of {', '.join(known)}.")


def _read(key: str, written: Any) -> Any:
    """What YAML does not tell apart, or does not know: a list is meant as a tuple, and 2e-4 as a number."""
    if isinstance(written, list):
        return tuple(written)
    field = Recipe.model_fields.get(key)
    scientific = isinstance(written, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", written)
    return float(written) if scientific and field is not None and field.annotation is float else written


def _unreachable(recipe: Recipe) -> str | None:
    for name in recipe.target_modules:
        if name not in PROJECTIONS:
            return f"there is no {name}; did you mean {_nearest(name, PROJECTIONS)}"
        if recipe.family == "gpt-oss" and name not in ATTENTION:
            return f"{name} of gpt-oss lies in its experts, which LoRA does not reach; leave it out"
    repeated = {name for name in recipe.target_modules if recipe.target_modules.count(name) > 1}
    return f"{min(repeated)} is there twice; leave one out" if repeated else None


def _nearest(name: str, known: Iterable[str]) -> str:
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0)[0]


def _sentence(error: ValidationError) -> str:
    """The first fault, unknown keys before all else: a key that is missing was often only misspelt."""
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"there is no {name}; did you mean {_nearest(name, Recipe.model_fields)}"
    if first["type"] == "missing":
        return f"{name} is missing; add a line `{name}: …`"
    return f"{name} must be {_meant(first['type'], first.get('ctx', {}))}, not {first['input']!r:.60}"


def _meant(kind: str, limits: Mapping[str, Any]) -> str:
    """What would have been right, as a person says it."""
    said = {
        "string_type": "text (in quotes, where it looks like a number or a date)",
        "string_too_short": "some text",
        "string_pattern_mismatch": "a folder's name of letters, digits, _, . and -",
        "int_type": "a whole number",
        "float_type": "a number",
        "finite_number": "a number",
        "tuple_type": "a list, such as [q_proj, v_proj]",
        "too_short": "a list with something in it",
        "literal_error": "{expected}",
        "greater_than": "more than {gt}",
        "greater_than_equal": "at least {ge}",
        "less_than": "less than {lt}",
        "less_than_equal": "at most {le}",
    }
    return said.get(kind, "something else").format(**limits)
