"""A plan says what a run would take, and refuses with numbers what would end for want of memory."""

import json
import re
from dataclasses import replace

import pytest

from errors import PartMissing
from training import advice, plan, shapes
from training.machine import Gpu, Machine, here
from training.plan import UNREAD, Facts, must_fit, steps, table
from training.recipe import load, override
from training.render import Sample

L4 = Gpu("NVIDIA L4", 23.6, 23.3, bf16=True)
L40S = Gpu("NVIDIA L40S", 47.7, 47.2, bf16=True)
H100 = Gpu("NVIDIA H100", 85.0, 84.0, bf16=True)
LAPTOP = Machine((), memory_gb=16.6, available_gb=12.0, disk_free_gb=500, cores=8)
RECIPES = {name: load(name) for name in ("devstral", "gpt-oss", "smoke")}


def with_gpu(gpu: Gpu, memory: float = 33.0) -> Machine:
    return replace(LAPTOP, gpus=(gpu,), memory_gb=memory, available_gb=memory - 2)


def rows(longest: int, **more) -> Facts:
    return replace(Facts(450, 50, 100_000, longest, 24_000, {"no JSON": 2}, 12), **more)


def planned(name: str, machine: Machine, longest: int | None = None, *changes: str):
    recipe = override(RECIPES[name], changes)
    return plan.plan(recipe, rows(longest or recipe.max_tokens), machine)


def refusal(found) -> str:
    with pytest.raises(PartMissing) as caught:
        must_fit(found)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("machine", [LAPTOP, with_gpu(L4), with_gpu(L40S), with_gpu(H100)])
def test_every_recipe_plans_on_every_machine(name, machine):
    found = planned(name, machine)
    asked = {"rows", "tokens", "dropped", "truncated", "supervised_share", "memory_gb", "fits", "advice"}
    assert asked <= set(found)
    assert (found["rows"], found["tokens"], found["truncated"]) == (500, 100_000, 12)
    assert (found["dropped"], found["supervised_share"]) == ({"no JSON": 2}, 0.24)
    assert found["memory_gb"]["total"] == pytest.approx(sum(found["memory_gb"].values()) / 2, abs=0.06)
    assert json.loads(json.dumps(found)) == found | {"machine": json.loads(json.dumps(found["machine"]))}
    assert found["seconds"] == "not measured"
    assert found["fits"] is (found["refusal"] is None)
    assert "(estimated)" in found["advice"][0]


def test_samples_are_counted():
    samples = [Sample([1, 2, 3, 4], [-100, -100, 3, 4]), Sample([1, 2], [-100, 2])]
    found = plan.facts(samples, [Sample([5] * 9, [-100] * 9)], {"too long": 1}, 2, "SmolLM2")
    assert found == Facts(2, 1, 15, 9, 3, {"too long": 1}, 2, "SmolLM2")
    assert plan.facts([], [], {}, 0).longest == 0


def test_on_a_laptop_the_small_recipe_trains_and_the_large_are_refused_with_numbers():
    must_fit(planned("smoke", LAPTOP))
    for name, gpu, whole in (("devstral", 20.8, 48.0), ("gpt-oss", 52.0, 41.8)):
        found = planned(name, LAPTOP)
        assert found["fits"] is False
        said = refusal(found)
        rows_of = f"rows of {RECIPES[name].max_tokens:,} tokens"
        assert f"needs a GPU with {gpu} GB for {rows_of} (estimated), and none is here" in said
        assert f"its weights alone take {whole} GB of main memory, where 16.6 GB are" in said
        assert "the recipe smoke" in said


def test_a_large_recipe_is_refused_on_a_processor_whatever_its_memory():
    assert "needs a GPU" in refusal(planned("devstral", replace(LAPTOP, memory_gb=512, available_gb=500)))


def test_this_machine_can_run_the_small_recipe(tmp_path):
    must_fit(plan.plan(RECIPES["smoke"], rows(64), here(tmp_path)))


@pytest.mark.parametrize(
    ("name", "gpu", "fits"),
    [
        ("devstral", L4, True),
        ("devstral", L40S, True),
        ("gpt-oss", L4, False),
        ("gpt-oss", L40S, False),
        ("gpt-oss", H100, True),
        ("smoke", L4, True),
    ],
)
def test_what_fits_on_which_gpu(name, gpu, fits):
    found = planned(name, with_gpu(gpu))
    assert found["fits"] is fits
    if fits:
        must_fit(found)
    else:
        assert f"and {gpu.name} has {gpu.total_gb:.1f} GB: " in refusal(found)


def test_short_rows_take_less_than_the_recipe_allows():
    assert planned("devstral", with_gpu(L4), 8192)["fits"] is False
    assert planned("devstral", with_gpu(L4), 512)["memory_gb"]["total"] < 18


def test_a_refusal_names_what_would_fit():
    said = refusal(planned("gpt-oss", with_gpu(L40S)))
    changes, gb = re.search(r"with (.*) it takes ([\d.]+) GB", said).groups()
    less = planned("gpt-oss", with_gpu(L40S), 1024, *changes.replace("--set ", "").split())
    assert less["fits"] is True
    assert less["memory_gb"]["total"] == pytest.approx(float(gb), abs=0.1)
    assert "take a GPU such as A100 or H100 with 80 GB" in refusal(planned("gpt-oss", with_gpu(L4)))


def test_alternatives_take_what_they_say_and_are_written_as_the_command_line_has_them():
    kinds = set()
    for name, recipe in RECIPES.items():
        before = planned(name, with_gpu(L4))
        for one in before["alternatives"]:
            less = override(recipe, one["set"].split())
            found = plan.plan(less, rows(less.max_tokens), with_gpu(L4))
            assert found["memory_gb"]["total"] == pytest.approx(one["gb"], abs=0.01)
            assert one["gb"] < before["memory_gb"]["total"] - advice.NOTICED + 0.01
            assert less.steps_rows == recipe.steps_rows
            kinds |= {key.partition("=")[0] for key in one["set"].split()}
    assert kinds == {"batch_size", "accumulation", "max_tokens", "target_modules", "optim"}


@pytest.mark.parametrize(("name", "l4", "l40s"), [("devstral", 5376, 28_672), ("gpt-oss", 0, 1792)])
def test_a_gpu_takes_rows_of_its_longest_and_not_longer(name, l4, l40s):
    found = {card["card"]: card for card in planned(name, LAPTOP)["cards"]}
    assert (found["L4"]["longest_row"], found["L40S"]["longest_row"]) == (l4, l40s)
    assert (found["L4"]["host_gib"], found["L40S"]["host_gib"]) == (16, 32)
    alone = ("batch_size=1", f"max_tokens={l40s + advice.STEP}")
    assert planned(name, with_gpu(L40S), l40s, *alone)["fits"] is True
    assert planned(name, with_gpu(L40S), l40s + advice.STEP, *alone)["fits"] is False


def test_a_rented_machine_must_also_have_the_main_memory():
    small = shapes.of(RECIPES["smoke"].base)
    wordy = replace(small, layers=1, hidden=8192, vocabulary=500_000)
    l4, l40s, _ = advice.cards(RECIPES["smoke"], wordy, 256)
    assert l4["needs_gb"] < l4["usable_gb"] * advice.PLANNED
    assert (l4["fits"], l40s["fits"]) == (False, True)


def test_a_gpu_that_somebody_holds_is_refused_and_yet_large_enough():
    found = planned("devstral", with_gpu(replace(L40S, free_gb=4.0)))
    assert found["fits"] is True
    assert "of 47.7 GB only 4.0 GB are free: stop what holds the rest" in refusal(found)


def test_main_memory_that_is_taken_or_too_small_is_refused():
    busy = planned("smoke", replace(LAPTOP, available_gb=2.0))
    assert (busy["fits"], busy["memory_of"]) == (True, "main memory")
    assert "of 16.6 GB only 2.0 GB are free" in refusal(busy)
    small = planned("smoke", replace(LAPTOP, memory_gb=4.0, available_gb=3.0))
    assert small["fits"] is False
    assert "this machine has 4.0 GB: with --set batch_size=1 --set accumulation=4 it takes 2.4 GB" in refusal(
        small
    )
    beside = planned("devstral", with_gpu(L40S, memory=6.0))
    assert beside["fits"] is False
    assert "needs 7.1 GB of main memory beside the GPU (estimated)" in refusal(beside)


def test_what_fits_with_no_row_at_all_is_refused_before_a_base_is_fetched():
    for name, gpu in (("devstral", 20.8), ("gpt-oss", 52.0)):
        said = refusal(plan.plan(RECIPES[name], UNREAD, LAPTOP))
        assert f"needs a GPU with {gpu} GB for rows of {RECIPES[name].max_tokens:,} tokens" in said
    said = refusal(plan.plan(RECIPES["gpt-oss"], UNREAD, with_gpu(L4)))
    assert "needs 52.0 GB for rows of 2,048 tokens (estimated), and NVIDIA L4 has 23.6 GB" in said
    assert "take a GPU such as A100 or H100" in said
    must_fit(plan.plan(RECIPES["devstral"], UNREAD, with_gpu(L4)))
    must_fit(plan.plan(RECIPES["smoke"], UNREAD, LAPTOP))


def test_a_base_of_unknown_size_is_planned_without_memory_and_not_begun():
    pytest.importorskip("transformers", reason="needs `make setup-train`")
    found = planned("smoke", LAPTOP, 64, "base=nobody/nothing")
    assert (found["memory_gb"], found["fits"], found["rows"]) == ({}, None, 500)
    assert refusal(found) == found["advice"][0]
    assert "hf download nobody/nothing config.json" in found["advice"][0]
    assert table(found)


def test_what_else_is_worth_knowing_is_said():
    def said(*changes, machine=LAPTOP):
        return " ".join(planned("smoke", machine, 64, *changes)["advice"])

    assert "Disk: up to 0.5 GB" in said(machine=replace(LAPTOP, disk_free_gb=0.1))
    assert "Disk" not in said()
    assert "The driver knows NVIDIA L4, which this torch does not see" in said(
        machine=replace(LAPTOP, unseen=(L4,))
    )
    old = with_gpu(Gpu("Tesla T4", 15.6, 15.0, bf16=False))
    assert "Tesla T4 has no bf16: fp16 is taken" in said(machine=old)
    assert "bf16" not in said("precision=fp16", machine=old)
    assert "vLLM serves rank 24 with --max-lora-rank 32" in said("r=24")
    roughly = plan.plan(RECIPES["smoke"], rows(64, counted_with="SmolLM2"), LAPTOP)
    assert "Tokens were counted as SmolLM2 does" in roughly["advice"][-1]


def test_a_plan_is_told_in_a_table():
    found = planned("gpt-oss", with_gpu(L40S))
    shown = dict(table(found))
    assert shown["rows"] == "500, 50 of them held back"
    assert shown["dropped"] == "2 no JSON"
    assert shown["tokens"] == "100,000, 24% supervised"
    assert shown["memory, estimated"].startswith("52.0 GB = 39.49 weights + ")
    assert shown["steps"] == "339 (how long they take: not measured)"
    assert [text for name, text in table(found) if not name] == found["advice"]


@pytest.mark.parametrize(
    ("count", "batch", "accumulation", "epochs"),
    [(50, 1, 1, 3.0), (50, 4, 1, 8.0), (49, 4, 4, 3.0), (3, 4, 8, 3.0), (450, 1, 8, 2.5), (7, 2, 2, 0.3)],
)
def test_steps_are_those_of_transformers(count, batch, accumulation, epochs, tmp_path):
    torch = pytest.importorskip("torch", reason="needs `make setup-train`")
    transformers = pytest.importorskip("transformers", reason="needs `make setup-train`")
    arguments = transformers.TrainingArguments(
        str(tmp_path),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulation,
        num_train_epochs=epochs,
        use_cpu=True,
        report_to=[],
    )
    trainer = transformers.Trainer(torch.nn.Linear(1, 1), arguments)
    batches = torch.utils.data.DataLoader(range(count), batch_size=batch)
    recipe = override(
        RECIPES["smoke"], [f"batch_size={batch}", f"accumulation={accumulation}", f"epochs={epochs}"]
    )
    assert steps(recipe, count) == trainer.set_initial_training_values(arguments, batches)[-1]


def test_the_shape_of_a_recipes_base_is_known_without_a_hub():
    assert all(recipe.base in shapes.KNOWN for recipe in RECIPES.values())
