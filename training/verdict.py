"""Whether a machine has what a run takes, and the sentence that refuses the run where it has not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from training import advice, memory
from training.machine import Machine
from training.memory import How
from training.recipe import Recipe
from training.shapes import Shape

# Parameters: ten times those of the smoke recipe, whose 135M learn some 75 tokens a CPU second.
LARGEST_ON_A_PROCESSOR = 1.5e9


@dataclass(frozen=True)
class Case:
    """A recipe on a machine; `tokens` is the length of the longest row, 1 where none was read yet.

    Of several GPUs the first counts.
    """

    recipe: Recipe
    shape: Shape
    tokens: int
    machine: Machine

    @cached_property
    def how(self) -> How:
        """Large models are planned for a GPU, also where there is none."""
        return "ours" if self.machine.gpus or self.shape.total > LARGEST_ON_A_PROCESSOR else "processor"

    @cached_property
    def needs(self) -> dict[str, float]:
        """What the run takes where it computes [GB]."""
        return memory.estimate(self.recipe, self.shape, self.tokens, self.how)

    @cached_property
    def host(self) -> dict[str, float]:
        """What it takes of main memory beside a GPU [GB]."""
        return memory.host(self.recipe, self.shape) if self.how == "ours" else {}

    @cached_property
    def less(self) -> list[dict[str, Any]]:
        """What would take less."""
        return advice.alternatives(self.recipe, self.shape, self.rows, self.how)

    @property
    def rows(self) -> int:
        """The length that people are told of: where no row was read yet, what the recipe allows."""
        return self.recipe.max_tokens if self.tokens == 1 else self.tokens

    @property
    def told_gb(self) -> float:
        """What the run takes with such rows [GB]."""
        return memory.estimate(self.recipe, self.shape, self.rows, self.how)["total"]

    @property
    def told(self) -> str:
        """The same for a person."""
        return f"{self.told_gb:.1f} GB for rows of {self.rows:,} tokens (estimated)"

    @property
    def has(self) -> float:
        """What the machine has there, in all [GB]."""
        if self.how == "processor":
            return self.machine.memory_gb
        return self.machine.gpus[0].total_gb if self.machine.gpus else 0.0

    @property
    def free(self) -> float:
        """And what of it nobody holds [GB]."""
        if self.how == "processor":
            return self.machine.available_gb
        return self.machine.gpus[0].free_gb if self.machine.gpus else 0.0

    def has_room(self, gb: float) -> bool:
        """Whether the machine could give that much."""
        return gb <= self.has if self.how == "processor" else advice.takes(self.has, gb)

    def too_small(self) -> str | None:
        """Why this machine will never do; None where it will."""
        if self.how == "ours" and not self.machine.gpus:
            return self._no_gpu()
        base = self.recipe.base
        if not self.has_room(self.needs["total"]):
            where = self.machine.gpus[0].name if self.how == "ours" else "this machine"
            return f"{base} needs {self.told}, and {where} has {self.has:.1f} GB: {self._cure()}."
        host, here = self.host.get("total", 0.0), self.machine.memory_gb
        if host > here:
            return (
                f"{base} needs {host:.1f} GB of main memory beside the GPU (estimated), and this machine has "
                f"{here:.1f} GB: take one with more."
            )
        return None

    def held(self) -> str | None:
        """Why not now, where the machine would do; None where nothing is in the way."""
        if self.needs["total"] <= self.free:
            return None
        return (
            f"{self.recipe.base} needs {self.told}, and of {self.has:.1f} GB only {self.free:.1f} GB are "
            "free: stop what holds the rest, such as a model server (`make down`)."
        )

    def _no_gpu(self) -> str:
        weights = self.shape.total * 2 / memory.GB
        return (
            f"{self.recipe.base} needs a GPU with {self.told}, and none is here; on a processor its weights "
            f"alone take {weights:.1f} GB of main memory, where {self.machine.memory_gb:.1f} GB are: "
            "take a machine with such a GPU, or the recipe smoke."
        )

    def _cure(self) -> str:
        fitting = [one for one in self.less if self.has_room(one["gb"])]
        if fitting:
            return f"with {advice.options(fitting[0]['set'])} it takes {fitting[0]['gb']:.1f} GB"
        large = [card for card in advice.CARDS if advice.takes(card.usable_gb, self.told_gb)]
        if self.how == "ours" and large:
            return f"take a GPU such as {large[0].name} with {large[0].gb} GB"
        return "take a smaller base" if self.how == "ours" else "close other programs, or take a smaller base"
