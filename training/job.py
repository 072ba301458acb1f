"""What a run is asked to do, and what an earlier one left of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from errors import BadInput
from training.material import Given
from training.recipe import Recipe
from training.watch import Watch


@dataclass(frozen=True)
class Job:
    """A recipe over some rows into a folder; `cache` keeps the bases that had to be unpacked or converted."""

    recipe: Recipe
    given: Given
    out: Path
    cache: Path
    watch: Watch = field(default_factory=Watch)

    @property
    def work(self) -> Path:
        """Where checkpoints lie until the adapter is whole."""
        return self.out.with_name(f".training-{self.out.name}")


class Stopped(Exception):
    """The run was told to stop; what was done lies in a checkpoint."""


def begin(job: Job, *, resume: bool, anew: bool) -> None:
    """Make the folder of checkpoints.

    Raises:
        BadInput: an unfinished run is in the way, or it was another one.
    """
    same = {"recipe": job.recipe.model_dump(mode="json"), "data": job.given.sha256}
    noted = job.work / "job.json"
    if anew:
        shutil.rmtree(job.work, ignore_errors=True)
    if not noted.is_file():
        job.work.mkdir(parents=True, exist_ok=True)
        noted.write_text(json.dumps(same), encoding="utf-8")
    elif not resume:
        raise BadInput(f"A run into {job.out} was not finished: --resume goes on, --anew begins again.")
    elif json.loads(noted.read_text(encoding="utf-8")) != same:
        raise BadInput(f"The unfinished run into {job.out} had another recipe or data: --anew begins again.")


def reached(job: Job) -> int:
    """The step of the last checkpoint; 0 where there is none to go on from."""
    return max((int(path.name.rpartition("-")[2]) for path in job.work.glob("checkpoint-*")), default=0)
