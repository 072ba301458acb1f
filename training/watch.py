"""What happens while a model is trained: how far it is, and whether it is to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def _silent(what: str, done: int, total: int, note: str = "") -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Watch:
    """`say(what, done, total, note)` is told of progress; `stop()` is asked after every step."""

    say: Callable[[str, int, int, str], None] = _silent
    stop: Callable[[], bool] = lambda: False


def follower(watch: Watch, tokens_a_step: float) -> Any:
    """A callback of the trainer: tells of each step, ends a lost run, saves where it is stopped."""
    from transformers import TrainerCallback

    class Follower(TrainerCallback):  # type: ignore[misc]  # its types are not looked at
        def __init__(self) -> None:
            self._began, self._first, self._loss = 0.0, 0, math.nan

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._began, self._first = time.monotonic(), state.global_step

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "loss" in (logs or {}):
                self._loss = float(logs["loss"])
                control.should_training_stop |= not math.isfinite(self._loss)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            seconds = max(time.monotonic() - self._began, 1e-9)
            speed = (state.global_step - self._first) * tokens_a_step / seconds
            note = f"{speed:.0f} tokens/s"
            note = note if math.isnan(self._loss) else f"loss {self._loss:.3f}, {note}"
            if state.is_world_process_zero:
                watch.say("training", state.global_step, state.max_steps, note)
            if _of_all(watch.stop()):
                control.should_save = control.should_training_stop = True

    return Follower()


def _of_all(stopped: bool) -> bool:
    """Whether any process is to stop: each hears of it at another step, and one alone is waited for."""
    import torch
    from accelerate import PartialState
    from accelerate.utils import reduce

    state = PartialState()
    if state.num_processes == 1:
        return stopped
    return bool(reduce(torch.tensor(float(stopped), device=state.device), "sum"))
