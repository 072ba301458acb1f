"""What a run learns from: rows cut to length, split by session, and a count of what was left out."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from errors import BadInput
from training import dataset
from training.cut import cut
from training.plan import Facts, facts
from training.recipe import Recipe
from training.render import Renderer, Sample
from training.row import Row

HUB = "hf:"
# Rows that are rendered with the base's own template too.
COMPARED = 20
Say = Callable[..., None]


@dataclass(frozen=True)
class Given:
    """The rows that were named, and what tells them from any others."""

    data: dataset.Data
    sha256: str


@dataclass(frozen=True)
class Material:
    """What is trained on and what is held back, and how many rows were trimmed or dropped, by reason."""

    samples: list[Sample]
    held_back: list[Sample]
    rows: list[Row]
    trimmed: Counter[str]
    dropped: Counter[str]
    unlike: str | None = None
    """Where the base's own template shows a model another text than what is learnt."""

    def facts(self) -> dict[str, Any]:
        """Counts of rows and tokens."""
        return {
            "rows": len(self.samples),
            "held_back": len(self.held_back),
            "tokens": sum(len(sample.ids) for sample in self.samples),
            "supervised_tokens": sum(sample.supervised for sample in self.samples),
            "trimmed": dict(self.trimmed),
            "dropped": dict(self.dropped),
            "unlike": self.unlike,
        }

    def counted(self, counted_with: str = "") -> Facts:
        """What a plan goes by; `counted_with` is the base whose tokens these are, if not the recipe's own."""
        counted = facts(self.samples, self.held_back, self.dropped, self.trimmed.total(), counted_with)
        return replace(counted, unlike=self.unlike)


def must_be_there(name: str) -> None:
    """Refuse what --data names where nothing is; of the hub nothing is known before it is asked.

    Raises:
        BadInput: there is no such file or folder.
    """
    if not name.startswith(HUB):
        dataset.must_be_there(Path(name))


def given(
    name: str, rows_of: Callable[[Path], Path | None], forgotten: Callable[..., bool], say: Say
) -> Given:
    """The rows of a file, of a folder, of logs that `rows_of` makes a file of, or of hf:NAME on the hub.

    Raises:
        BadInput: there is nothing to learn from. PartMissing: the hub is out of reach.
    """
    if name.startswith(HUB):
        data = dataset.read_hub(name.removeprefix(HUB), say)
        return Given(data, _digest(data.rows))
    path = Path(name)
    path = (rows_of(path) if path.is_dir() else None) or path
    data = dataset.read(path, say, forgotten)
    if path.is_dir():
        return Given(data, _digest(data.rows))
    with path.open("rb") as stream:
        return Given(data, hashlib.file_digest(stream, "sha256").hexdigest())


def prepared(recipe: Recipe, data: dataset.Data, renderer: Renderer, say: Say) -> Material:
    """The data as samples, split by session.

    Raises:
        BadInput: no row is left.
    """
    trained, held_back = split(data.rows, recipe.held_back, recipe.seed)
    material = Material([], [], [], Counter(), Counter(data.dropped))
    for number, row in enumerate((*trained, *held_back)):
        say("cutting rows", number, len(data.rows))
        done = cut(row, recipe.max_tokens, renderer)
        if done.outcome != "kept":
            (material.trimmed if done.outcome == "trimmed" else material.dropped)[done.reason] += 1
        if done.sample is None or done.row is None:
            continue
        if number < len(trained):
            material.samples.append(done.sample)
            material.rows.append(done.row)
        else:
            material.held_back.append(done.sample)
    if not material.samples:
        reasons = ", ".join(f"{count} {why}" for why, count in material.dropped.items())
        raise BadInput(f"No row is left to train on: {reasons or 'all are held back'}.")
    told = (renderer.unlike(row) for row in material.rows[:COMPARED])
    return replace(material, unlike=next((where for where in told if where), None))


def split(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows held back; all rows of a session are on the same side."""
    sessions = sorted({row.session for row in rows})
    random.Random(seed).shuffle(sessions)  # noqa: S311  # repeatable on purpose
    apart = set(sessions[: int(share * len(sessions))])
    return [row for row in rows if row.session not in apart], [row for row in rows if row.session in apart]


def _digest(rows: Sequence[Row]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([list(row.messages), list(row.tools)], sort_keys=True, default=str).encode())
    return digest.hexdigest()
