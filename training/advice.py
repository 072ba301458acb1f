"""What would fit where: less of a recipe, and which rented GPU takes it. All numbers are estimates, in GB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training import memory
from training.memory import How
from training.recipe import ATTENTION, Recipe
from training.shapes import Shape

# Of a GPU's memory, what may be planned for: its allocator cannot use the last of it.
PLANNED = 0.94
STEP = 256  # tokens
LONGEST = 131_072
GIB = 2**30 / 1e9
# Below this, a change is none.
NOTICED = 0.05


@dataclass(frozen=True)
class Card:
    """A GPU as it is sold, what torch sees of it, and the smallest machine at Amazon that has one."""

    name: str
    gb: int
    usable_gb: float
    instance: str | None = None
    host_gib: int | None = None


CARDS = (
    Card("L4", 24, 23.6, "g6.xlarge", 16),
    Card("L40S", 48, 47.7, "g6e.xlarge", 32),
    Card("A100 or H100", 80, 85.0),
)


def takes(usable_gb: float, needs_gb: float) -> bool:
    """Whether a GPU has room for that much."""
    return needs_gb <= usable_gb * PLANNED


def alternatives(recipe: Recipe, shape: Shape, tokens: int, how: How) -> list[dict[str, Any]]:
    """Changes of the recipe that take less, each alone and then all together: `set`, `gb`, `cards`."""
    before, found = memory.estimate(recipe, shape, tokens, how)["total"], []
    changes = list(_changes(recipe, tokens, how))
    together = {key: value for one in changes for key, value in one.items()}
    for change in [*changes, together] if len(changes) > 1 else changes:
        less, rows = recipe.model_copy(update=change), change.get("max_tokens", tokens)
        gb = memory.estimate(less, shape, rows, how)["total"]
        if gb < before - NOTICED:
            fitting = [card.name for card in CARDS if how == "ours" and takes(card.usable_gb, gb)]
            found.append({"set": _written(change), "gb": round(gb, 2), "cards": fitting})
    return found


def cards(recipe: Recipe, shape: Shape, tokens: int) -> list[dict[str, Any]]:
    """For each GPU: whether it takes the recipe as it is, and how long rows may be, one at a time."""
    needs = memory.estimate(recipe, shape, tokens)["total"]
    host = memory.host(recipe, shape)["total"]
    return [
        {
            "card": card.name,
            "gb": card.gb,
            "usable_gb": card.usable_gb,
            "instance": card.instance,
            "host_gib": card.host_gib,
            "needs_gb": round(needs, 2),
            "fits": takes(card.usable_gb, needs) and (card.host_gib is None or host <= card.host_gib * GIB),
            "longest_row": longest(recipe, shape, card.usable_gb),
        }
        for card in CARDS
    ]


def longest(recipe: Recipe, shape: Shape, usable_gb: float) -> int:
    """The longest row that a GPU takes with one row at a time [tokens, in steps of 256]; 0: none."""
    one = recipe.model_copy(update=_one_at_a_time(recipe))
    low, high = 0, LONGEST // STEP
    while low < high:
        middle = (low + high + 1) // 2
        fits = takes(usable_gb, memory.estimate(one, shape, middle * STEP)["total"])
        low, high = (middle, high) if fits else (low, middle - 1)
    return low * STEP


def options(change: str) -> str:
    """A change as it is given on the command line."""
    return " ".join(f"--set {one}" for one in change.split())


def sentences(less: list[dict[str, Any]], fitting: list[dict[str, Any]]) -> Iterator[str]:
    """The same for a person."""
    for one in less:
        where = f" (fits {', '.join(one['cards'])})" if one["cards"] else ""
        yield f"With {options(one['set'])}: {one['gb']:.1f} GB{where}."
    for card in fitting:
        name = f"{card['card']} of {card['gb']} GB"
        name += f" ({card['instance']}, {card['host_gib']} GiB of main memory)" if card["instance"] else ""
        fits = "fits" if card["fits"] else "does not fit"
        rows = f"rows of up to {card['longest_row']:,} tokens fit" if card["longest_row"] else "no row fits"
        yield f"{name}: {card['needs_gb']:.1f} of {card['usable_gb']:.1f} GB {fits}; one at a time, {rows}."


def _changes(recipe: Recipe, tokens: int, how: How) -> Iterator[dict[str, Any]]:
    """What can be made less of, the least harmful first."""
    if recipe.batch_size > 1:
        yield _one_at_a_time(recipe)
    if tokens >= 2 * STEP:
        yield {"max_tokens": tokens // 2 // STEP * STEP}
    if how != "processor" and "8bit" not in recipe.optim:
        yield {"optim": "paged_adamw_8bit"}
    if not set(recipe.target_modules) <= set(ATTENTION):
        yield {"target_modules": ATTENTION}


def _one_at_a_time(recipe: Recipe) -> dict[str, Any]:
    """The same rows a step, one after the other."""
    return {"batch_size": 1, "accumulation": recipe.steps_rows}


def _written(change: dict[str, Any]) -> str:
    """As a recipe's file and the command line have it."""
    lists = {key: f"[{','.join(value)}]" for key, value in change.items() if isinstance(value, tuple)}
    return " ".join(f"{key}={value}" for key, value in (change | lists).items())
