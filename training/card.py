"""What lies beside the weights for people: a model card and a picture of the loss."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

PARTS = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets")
HISTORY = "history.json"
CARD = """---
base_model: {base}
library_name: peft
tags: [lora, recuerdo]
---

# {name}

A LoRA adapter for {base}{revision}, trained on {rows} conversations: {tokens:,} tokens, of which
{supervised:,} are the assistant's and were learnt.

| | |
|---|---|
| steps | {steps} |
| loss, first and last step | {first:.3f} → {last:.3f} |
| loss on {held_back} conversations held back, before and after | {before} → {after} |
| sha256 of the data | `{sha256}` |

`recipe.yaml` is the recipe, `training.json` everything that was measured, `history.json` and `loss.png` the
loss by steps.
`python -m training prove --adapter` shows whether it changes what the model says.

Made with {versions}.
"""


def versions() -> dict[str, str]:
    """The libraries that had a part in it."""
    found = {}
    for name in PARTS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write(folder: Path, facts: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> None:
    """The card, the recipe, and the loss by steps as numbers and as a picture."""
    recipe, data, losses = facts["recipe"], facts["data"], facts["held_back_loss"]
    text = CARD.format(
        base=recipe["base"],
        revision=f" at revision {recipe['revision']}" if recipe["revision"] else "",
        name=folder.name.removeprefix(".partial-"),
        rows=data["rows"],
        tokens=data["tokens"],
        supervised=data["supervised_tokens"],
        held_back=data["held_back"],
        sha256=data["sha256"],
        steps=facts["steps"],
        first=facts["loss"]["first"],
        last=facts["loss"]["last"],
        before=_shown(losses["before"]),
        after=_shown(losses["after"]),
        versions=", ".join(f"{name} {number}" for name, number in facts["versions"].items()),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(dict(recipe), sort_keys=False), encoding="utf-8")
    (folder / HISTORY).write_text(json.dumps(list(history)), encoding="utf-8")
    _draw(folder / "loss.png", history)


def _shown(loss: float | None) -> str:
    return "not measured" if loss is None else f"{loss:.3f}"


def _draw(path: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """The loss by steps; no picture without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, label in (("loss", "training"), ("eval_loss", "held back")):
        points = [(entry["step"], entry[name]) for entry in history if name in entry]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, marker="." if len(points) < 3 else None)
    axes.set(xlabel="step", ylabel="loss")
    axes.legend()
    figure.savefig(path, dpi=120)
