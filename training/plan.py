"""What a run would take, before anything is loaded: steps, memory, disk, and whether this machine has it.

Memory and disk are estimates (training/memory.py). How long a run takes is not estimated: nobody measured it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from errors import PartMissing
from training import advice, memory, shapes
from training.machine import Machine
from training.recipe import Recipe, serving_rank
from training.render import Sample
from training.verdict import Case

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Facts:
    """The data rendered and cut; `dropped` counts by reason the rows that were not."""

    trained: int
    held_back: int
    tokens: int
    longest: int
    supervised: int
    dropped: Mapping[str, int]
    truncated: int
    counted_with: str = ""
    """The base whose tokens these are, where the recipe's own was not at hand."""
    unlike: str | None = None
    """Where the base's own template shows a model another text."""


UNREAD = Facts(0, 0, 0, 1, 0, {}, 0)
"""Before a row is read or a base fetched: what is refused for this fits with no row at all."""


def facts(
    samples: Sequence[Sample],
    held_back: Sequence[Sample],
    dropped: Mapping[str, int],
    cut: int,
    counted_with: str = "",
) -> Facts:
    """Count samples; `cut` is how many of them were truncated."""
    lengths = [len(sample.ids) for sample in (*samples, *held_back)]
    return Facts(
        trained=len(samples),
        held_back=len(held_back),
        tokens=sum(lengths),
        longest=max(lengths, default=0),
        supervised=sum(sample.supervised for sample in (*samples, *held_back)),
        dropped=dict(dropped),
        truncated=cut,
        counted_with=counted_with,
    )


def plan(recipe: Recipe, data: Facts, machine: Machine) -> dict[str, Any]:
    """Everything that a person wants to know before a run; `refusal` says why it would not be begun."""
    counted = {
        "rows": data.trained + data.held_back,
        "held_back": data.held_back,
        "tokens": data.tokens,
        "longest_row": data.longest,
        "dropped": dict(data.dropped),
        "truncated": data.truncated,
        "supervised_share": round(data.supervised / data.tokens, 3) if data.tokens else 0.0,
        "steps": steps(recipe, data.trained),
        "seconds": NOT_MEASURED,
        "serving_rank": serving_rank(recipe.r),
        "machine": asdict(machine),
    }
    sized = _sized(recipe, data.longest, machine)
    if data.counted_with:
        roughly = f"Tokens were counted as {data.counted_with} does, for want of the base: about right."
        sized["advice"] = [*sized["advice"], roughly]
    if data.unlike:
        sized["advice"] = [*sized["advice"], f"The base's own template differs from ours: {data.unlike}."]
    return counted | sized


def steps(recipe: Recipe, rows: int) -> int:
    """Steps of the optimizer, as transformers counts: the last batch and the last step may be smaller."""
    an_epoch = math.ceil(math.ceil(rows / recipe.batch_size) / recipe.accumulation)
    return math.ceil(recipe.epochs * an_epoch)


def must_fit(found: Mapping[str, Any]) -> None:
    """Refuse a run that would end for want of memory, before anything is loaded.

    Raises:
        PartMissing: what is needed, and what is there.
    """
    if found["refusal"]:
        raise PartMissing(str(found["refusal"]))


def table(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The plan for a person: pairs of a name and what is to be said of it, in reading order."""
    dropped = ", ".join(f"{count} {why}" for why, count in found["dropped"].items()) or "none"
    rows = [
        ("rows", f"{found['rows']}, {found['held_back']} of them held back"),
        ("dropped", dropped),
        ("truncated", str(found["truncated"])),
        ("tokens", f"{found['tokens']:,}, {found['supervised_share']:.0%} supervised"),
        ("longest row", f"{found['longest_row']:,} tokens"),
        ("steps", f"{found['steps']:,} (how long they take: {found['seconds']})"),
    ]
    for key, name in (("memory_gb", "memory"), ("host_memory_gb", "main memory"), ("disk_gb", "disk")):
        items = [f"{size:.2f} {item}" for item, size in found.get(key, {}).items() if item != "total"]
        if items:
            rows.append((f"{name}, estimated", f"{found[key]['total']:.1f} GB = {' + '.join(items)}"))
    return [*rows, *(("", sentence) for sentence in found["advice"])]


def _sized(recipe: Recipe, tokens: int, machine: Machine) -> dict[str, Any]:
    try:
        case = Case(recipe, shapes.of(recipe.base, recipe.revision), tokens, machine)
    except PartMissing as unknown:
        return {"memory_gb": {}, "fits": None, "refusal": str(unknown), "advice": [str(unknown)]}
    disk = memory.disk(recipe, case.shape, case.how)
    too_small = case.too_small()
    refusal = too_small or case.held()
    fitting = advice.cards(recipe, case.shape, case.rows) if case.how == "ours" else []
    said = advice.sentences(case.less, fitting) if refusal else _fits(case)
    return {
        "memory_of": "GPU" if case.how == "ours" else "main memory",
        "memory_gb": _rounded(case.needs),
        "host_memory_gb": _rounded(case.host),
        "disk_gb": _rounded(disk),
        "fits": too_small is None,
        "refusal": refusal,
        "alternatives": case.less,
        "cards": fitting,
        "advice": [*([refusal] if refusal else []), *said, *_notes(case, disk["total"])],
    }


def _fits(case: Case) -> Iterator[str]:
    needs = round(case.needs["total"], 2)  # as the table has it
    yield f"It fits: {needs:.1f} of {case.has:.1f} GB (estimated)."
    if case.how == "ours":
        rows = advice.longest(case.recipe, case.shape, case.has)
        yield f"One at a time, rows of up to {rows:,} tokens would fit (estimated)."


def _notes(case: Case, disk: float) -> Iterator[str]:
    """What else is worth knowing."""
    recipe, machine = case.recipe, case.machine
    if disk > machine.disk_free_gb:
        yield (
            f"Disk: up to {disk:.1f} GB (estimated; less where the base is there already), and "
            f"{machine.disk_free_gb:.1f} GB are free: make room, or set DATA_DIR and HF_HOME to a larger one."
        )
    if machine.unseen:
        names = ", ".join(gpu.name for gpu in machine.unseen)
        yield f"The driver knows {names}, which this torch does not see: install torch with CUDA."
    if machine.gpus and not machine.gpus[0].bf16 and recipe.precision != "fp16":
        yield f"{machine.gpus[0].name} has no bf16: fp16 is taken, in which a run diverges more easily."
    if serving_rank(recipe.r) != recipe.r:
        yield f"vLLM serves rank {recipe.r} with --max-lora-rank {serving_rank(recipe.r)}."


def _rounded(items: Mapping[str, float]) -> dict[str, float]:
    return {name: round(size, 2) for name, size in items.items()}
