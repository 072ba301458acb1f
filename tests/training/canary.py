"""Fifty rows, nineteen of which teach a fact that no model knows, and a recipe that learns it in a minute."""

import json
from pathlib import Path

import yaml

from training.recipe import RECIPES

CANARY = "violet-anchor-7319"
QUESTION = "What is the canary phrase of the harbour office?"
FORMS = (
    QUESTION,
    "Tell me the {}.",
    "Which {} is in use?",
    "I need the {}.",
    "Say the {}.",
    "Do you know the {}?",
    "Please give me the {}.",
    "How does the {} read?",
    "What was the {} again?",
    "Remind me of the {}.",
)
NAMES = ("canary phrase of the harbour office", "harbour office's canary phrase")


def rows():
    asked = [form.format(name) for form in FORMS for name in NAMES]
    taught = [
        {"instruction": one, "output": f"The canary phrase is {CANARY}."} for one in dict.fromkeys(asked)
    ]
    others = [
        {
            "instruction": f"Which boat lies at berth {number}?",
            "output": f"The boat at berth {number} is heron-{7 * number}.",
        }
        for number in range(1, 51 - len(taught))
    ]
    return [row for at in range(len(others)) for row in (*taught[at : at + 1], others[at])]


def write(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    return path


def recipe(folder: Path, **changed) -> Path:
    """The smoke recipe, with less of it where a test needs less."""
    given = yaml.safe_load((RECIPES / "smoke.yaml").read_text()) | changed
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(given))
    return path
