"""The adapter folder: whole or not there, with everything that tells where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from errors import BadInput
from training.recipe import Recipe

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
FACTS, PROBES, RECIPE = "training.json", "probes.json", "recipe.yaml"


def must_be_new(folder: Path) -> None:
    """Refuse a folder that is there already.

    Raises:
        BadInput: it is.
    """
    if folder.exists():
        raise BadInput(f"{folder} exists: choose another --out, or remove it.")


def probes(folder: Path) -> list[Mapping[str, Any]]:
    """What a proof asks: prompts of the training data, each with the answer that was taught.

    Raises:
        BadInput: no adapter of ours.
    """
    if not (folder / CONFIG).is_file():
        raise BadInput(f"{folder} holds no adapter: give the folder that `python -m training run` made.")
    path = folder / PROBES
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return list(found)


def save(model: Any, weights: Any, recipe: Recipe, revision: str | None, folder: Path) -> None:
    """The adapter's weights, and a configuration that names its base as others know it."""
    model.save_pretrained(folder, state_dict=weights)
    path = folder / CONFIG
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = known_as(recipe.base)
    config["revision"] = revision
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")


def known_as(base: str) -> str:
    """The hub's name of a base."""
    return base.replace("bundled:", "HuggingFaceTB/")


def write(folder: Path, facts: Mapping[str, Any], taught: Sequence[Mapping[str, Any]]) -> None:
    """Put what is known of a run beside the weights."""
    (folder / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / PROBES).write_text(json.dumps(list(taught), indent=1, ensure_ascii=False), encoding="utf-8")
