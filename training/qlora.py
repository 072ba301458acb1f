"""The training itself: TRL's trainer over tokens and labels, so that it neither cuts nor masks anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from errors import StoreFailed
from training.base import number_type
from training.recipe import Recipe
from training.render import Sample
from training.watch import Watch, follower

KEPT_CHECKPOINTS = 2


@dataclass(frozen=True)
class Fit:
    """A model with its adapter still to be trained; `folder` takes checkpoints and logs."""

    recipe: Recipe
    model: Any
    tokenizer: Any
    samples: Sequence[Sample]
    held_back: Sequence[Sample]
    folder: Path
    watch: Watch = field(default_factory=Watch)


def trainer(fit: Fit, lora: Any) -> Any:
    """TRL's trainer for a recipe on this machine."""
    from transformers import PrinterCallback, set_seed
    from trl import SFTTrainer

    set_seed(fit.recipe.seed)  # an adapter begins with random numbers
    made = SFTTrainer(
        fit.model,
        args=_config(fit),
        train_dataset=_dataset(fit.samples),
        eval_dataset=_dataset(fit.held_back) if fit.held_back else None,
        processing_class=fit.tokenizer,
        peft_config=lora,
        callbacks=[follower(fit.watch, _tokens_a_step(fit)), *_boards(fit.folder)],
    )
    made.remove_callback(PrinterCallback)
    return made


def train(made: Any, *, resume: bool) -> dict[str, Any]:
    """Train to the end, or on from the last checkpoint; every value that was logged, in order.

    What is held back is measured within it, before the first step: a model that was evaluated on its own is
    taken for prepared (accelerate 1.15), and several processes would each train an adapter of their own.

    Raises:
        StoreFailed: the loss stopped being a number.
    """
    made.args.eval_on_start = not resume and made.eval_dataset is not None
    made.train(resume_from_checkpoint=True if resume else None)
    history = [dict(entry) for entry in made.state.log_history]
    if any(not math.isfinite(entry["loss"]) for entry in history if "loss" in entry):
        raise StoreFailed("The loss is no number any more: lower learning_rate, or take precision: bf16.")
    before = next((round(entry["eval_loss"], 4) for entry in history if "eval_loss" in entry), None)
    return {"steps": made.state.global_step, "history": history, "before": before}


def loss(made: Any) -> float | None:
    """The mean loss on what was held back, after training; None where nothing was."""
    if made.eval_dataset is None:
        return None
    return round(float(made.evaluate()["eval_loss"]), 4)


def weights(made: Any) -> Any:
    """The weights of a trained model, whole; every process has to ask, since each may hold a part only."""
    return made.accelerator.get_state_dict(made.model_wrapped)


def is_first() -> bool:
    """Whether this process is the one that writes; alone it always is."""
    return bool(_processes().is_main_process)


def first_of_all() -> Any:
    """A block that the first process is through with before any other begins it."""
    return _processes().main_process_first()


def peak_gpu_gb() -> float | None:
    """The most GPU memory that was taken, in GB; None without a GPU."""
    import torch

    return round(torch.cuda.max_memory_allocated() / 1e9, 2) if torch.cuda.is_available() else None


def _processes() -> Any:
    """All that train together under `accelerate launch`."""
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available())


def _config(fit: Fit) -> Any:
    import torch
    from trl import SFTConfig

    recipe, on_gpu = fit.recipe, torch.cuda.is_available()
    bf16 = number_type(recipe) is torch.bfloat16
    return SFTConfig(
        output_dir=str(fit.folder),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=recipe.batch_size,
        gradient_accumulation_steps=recipe.accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.lr_scheduler_type,
        warmup_steps=recipe.warmup_share,
        optim=recipe.optim if on_gpu else "adamw_torch",
        bf16=bf16,
        fp16=not bf16,
        use_cpu=not on_gpu,
        # It buys memory with time, and memory is what a processor has.
        activation_checkpointing=on_gpu,
        activation_checkpointing_kwargs={"use_reentrant": False} if on_gpu else None,
        max_length=None,
        router_aux_loss_coef=0.0,  # TRL would add the loss of gpt-oss' router, which is frozen
        dataset_kwargs={"skip_prepare_dataset": True},
        ddp_find_unused_parameters=False,
        save_steps=recipe.save_steps,
        save_total_limit=KEPT_CHECKPOINTS,
        logging_steps=1,
        seed=recipe.seed,
        data_seed=recipe.seed,
        report_to=[],
        disable_tqdm=True,
    )


def _dataset(samples: Sequence[Sample]) -> Any:
    from datasets import Dataset

    return Dataset.from_list([{"input_ids": sample.ids, "labels": sample.labels} for sample in samples])


def _tokens_a_step(fit: Fit) -> float:
    tokens = sum(len(sample.ids) for sample in fit.samples)
    return tokens / max(len(fit.samples), 1) * fit.recipe.steps_rows * int(_processes().num_processes)


def _boards(folder: Path) -> list[Any]:
    """TensorBoard's files, where it is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return []
    from transformers.integrations import TensorBoardCallback

    return [TensorBoardCallback(SummaryWriter(str(folder / "tensorboard")))]
