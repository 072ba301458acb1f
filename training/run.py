"""A whole run: read, split, cut, train, evaluate before and after, and leave an adapter that is whole.

Under `accelerate launch` every process runs this; the first one alone writes.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from training import adapter, base, card, family, folders, machine, qlora, source
from training.job import Job, Stopped, begin, reached
from training.material import Material, prepared
from training.plan import must_fit, plan
from training.render import Renderer
from training.row import Row

PROBES = 3


def run(job: Job, *, resume: bool = False, anew: bool = False) -> dict[str, Any] | None:
    """Train; the facts of the run as they lie beside the adapter, in every process but the first None.

    Raises:
        BadInput: the folder exists, another run is unfinished there, or nothing is left to train on.
        Stopped: it was told to stop.
    """
    adapter.must_be_new(job.out)
    started = time.monotonic()
    with qlora.first_of_all():
        if qlora.is_first():
            begin(job, resume=resume, anew=anew)
        found = source.found(job.recipe, job.cache)
    renderer = Renderer(base.tokenizer(str(found.folder), job.recipe), job.recipe.family)
    material = prepared(job.recipe, job.given.data, renderer, job.watch.say)
    must_fit(plan(job.recipe, material.counted(), machine.here(job.out)))  # the longest row decides
    model = base.model(str(found.folder), job.recipe)
    lora = family.lora_config(job.recipe, model)
    fit = qlora.Fit(
        job.recipe, model, renderer.tokenizer, material.samples, material.held_back, job.work, job.watch
    )
    made = qlora.trainer(fit, lora)
    facts = {
        "recipe": job.recipe.model_dump(mode="json") | {"revision": found.revision or job.recipe.revision},
        "data": {"sha256": job.given.sha256} | material.facts(),
        "versions": card.versions(),
    }
    facts |= _measured(job, made) | {"seconds": round(time.monotonic() - started, 1)}
    weights = qlora.weights(made)
    return _written(job, made, weights, facts, material) if qlora.is_first() else None


def _measured(job: Job, made: Any) -> dict[str, Any]:
    """Train between two evaluations."""
    begun = reached(job)
    outcome = qlora.train(made, resume=begun > 0)
    done, all_steps = made.state.global_step, made.state.max_steps
    if done < all_steps:
        raise Stopped(f"Stopped at step {done} of {all_steps}: --resume goes on.")
    losses = [entry["loss"] for entry in outcome["history"] if "loss" in entry]
    return {
        "steps": outcome["steps"],
        "resumed_from": begun,
        "loss": {"first": losses[0], "last": losses[-1]},
        "held_back_loss": {"before": outcome["before"], "after": qlora.loss(made)},
        "peak_gpu_gb": qlora.peak_gpu_gb(),
    }


def _written(job: Job, made: Any, weights: Any, facts: dict[str, Any], material: Material) -> dict[str, Any]:
    """The adapter's folder; then nothing is left of its making."""
    model, revision = made.accelerator.unwrap_model(made.model), facts["recipe"]["revision"]

    def fill(folder: Path) -> None:
        adapter.save(model, weights, job.recipe, revision, folder)
        adapter.write(folder, facts, [_probe(row) for row in material.rows[:PROBES]])
        card.write(folder, facts, made.state.log_history)
        shutil.copytree(job.work / "tensorboard", folder / "tensorboard")

    folders.made(job.out, fill)
    shutil.rmtree(job.work)
    return facts


def _probe(row: Row) -> dict[str, Any]:
    first = next(at for at, message in enumerate(row.messages) if message["role"] == "assistant")
    return {"messages": list(row.messages[:first]), "taught": row.messages[first].get("content")}
