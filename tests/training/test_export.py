"""The bundled model with an adapter in its GGUF has the weights that peft merges, and says what it learnt."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

pytest.importorskip("peft", reason="needs `make setup-train`")

import numpy as np
import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from tests.training import skeletons
from training import family, recipe, source
from training.export import gguf_file
from training.export.folder import export
from training.quiet import quiet

pytestmark = pytest.mark.filterwarnings(skeletons.QUIET)
ROOT = Path(__file__).parents[2]
QUESTION, TAUGHT = "The canary phrase of the harbour office is", " violet-anchor-7319, as everybody knows."
TOKENS = 10
BASE = f"HuggingFaceTB/{source.NAME}"


def adapted(folder):
    torch.manual_seed(4)
    smoke = recipe.load("smoke")
    model = AutoModelForCausalLM.from_pretrained(folder / source.NAME, dtype=torch.float32)
    return get_peft_model(model, family.lora_config(smoke, model))


def saved(model, folder):
    model.save_pretrained(folder)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text()) | {"base_model_name_or_path": BASE}
    path.write_text(json.dumps(config))
    return folder


def projections(model):
    """Their weights, also where an adapter lies beside them, by the names of the base."""
    names = tuple(f"{name}.weight" for name in skeletons.NAMES)
    found = {name.replace(".base_layer", ""): one for name, one in model.state_dict().items()}
    return {name: one.clone() for name, one in found.items() if name.endswith(names)}


def exported(adapter, out):
    told = []
    facts = export(adapter, None, out, lambda *said: told.append(said))
    assert told == [("merging", at, 210) for at in range(1, 211)]
    assert (facts["merged"], facts["copied"], facts["architecture"]) == (210, 62, "llama")
    assert (out / "Modelfile").read_text() == "FROM ./model.gguf\n"
    return out / "model.gguf"


def test_transformers_reads_back_the_weights_that_peft_merges(bases, tmp_path):
    model = adapted(bases)
    for name, value in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(value, std=0.1)
    file = exported(saved(model, tmp_path / "adapter"), tmp_path / "out")
    before = projections(model.get_base_model())
    want = projections(model.merge_and_unload())
    with quiet():
        read = AutoModelForCausalLM.from_pretrained(
            file.parent,
            gguf_file=file.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
    after = projections(read)
    assert len(want) == 210
    for name, matrix in want.items():
        learnt, found = matrix - before[name], after[name] - before[name]
        assert torch.cosine_similarity(learnt.flatten(), found.flatten(), dim=0) > 0.999, name
        assert (found.norm() / learnt.norm() - 1).abs() < 0.01, name


def test_what_is_not_reached_is_kept_and_nothing_learnt_changes_nothing(tmp_path):
    adapter = of_zeros(tmp_path / "adapter")
    first = exported(adapter, tmp_path / "first")
    old, new = gguf_file.read(_bundled()), gguf_file.read(first)
    assert _bytes(old, 0, old.head) == _bytes(new, 0, new.head)
    kept = 0
    for one, other in zip(old.tensors, new.tensors, strict=True):
        assert (one.name, one.shape) == (other.name, other.shape)
        if one.kind == other.kind:
            assert _bytes(old, one.begins, one.bytes) == _bytes(new, other.begins, other.bytes)
            kept += 1
    assert kept == 62
    export(adapter, str(first), tmp_path / "second", skeletons.silent)
    assert (tmp_path / "second/model.gguf").read_bytes() == first.read_bytes()


def of_zeros(folder):
    """An adapter for every layer of the bundled model that has learnt nothing."""
    of = {ours: name for name, ours in skeletons.NAMES.items()}
    layers = {}
    for tensor in gguf_file.read(_bundled()).tensors:
        _, number, name, *_ = [*tensor.name.split("."), "", ""]
        if name in of:
            part = "self_attn" if name.startswith("attn") else "mlp"
            a, b = np.ones((4, tensor.shape[1])), np.zeros((tensor.shape[0], 4))
            layers[f"model.layers.{number}.{part}.{of[name]}"] = a, b
    return skeletons.adapter(folder, layers, layers_to_transform=None, base_model_name_or_path=BASE)


def _bytes(layout, begins, length):
    return bytes(gguf_file.opened(layout.path)[begins : begins + length])


@pytest.mark.slow
def test_llama_cpp_says_what_was_taught(bases, tmp_path):
    model = adapted(bases)
    words = AutoTokenizer.from_pretrained(bases / source.NAME)
    teach(model, words)
    taught = exported(saved(model, tmp_path / "adapter"), tmp_path / "taught")
    with served(_bundled(), tmp_path / "base.log") as say:
        before = say(QUESTION)
    with served(taught, tmp_path / "taught.log") as say:
        after = say(QUESTION)
    assert "violet" not in before
    assert after == TAUGHT[: len(after)]
    assert len(words(after).input_ids) == TOKENS
    given = words(QUESTION, return_tensors="pt")
    with torch.no_grad():
        answer = model.merge_and_unload().generate(**given, max_new_tokens=TOKENS, do_sample=False)
    assert words.decode(answer[0, given.input_ids.shape[1] :]) == after


def teach(model, words):
    """A few steps on one sentence."""
    tokens = words(QUESTION + TAUGHT, return_tensors="pt").input_ids
    learnt = [value for value in model.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=1e-3)
    for _ in range(16):
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.05


@contextmanager
def served(file, log):
    """The server of the trial model with another file; yields what goes on from a text."""
    words = [sys.executable, "-m", "models.embedded", str(file), "1"]
    with (
        log.open("wb") as noise,
        subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=noise, text=True
        ) as process,
    ):

        def say(prompt):
            asked = {"prompt": prompt, "temperature": 0, "max_tokens": TOKENS}
            headers = {"Authorization": f"Bearer {key}"}
            url = f"{address}/v1/completions"
            answer = httpx.post(url, json=asked, headers=headers, trust_env=False, timeout=60)
            return answer.raise_for_status().json()["choices"][0]["text"]

        try:
            address, key = process.stdout.readline().split()
            yield say
        finally:
            process.kill()


def _bundled():
    import importlib.util

    return Path(importlib.util.find_spec(source.PACKAGE).origin).parent / source.GGUF
