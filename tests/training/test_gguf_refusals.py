"""What cannot be merged is refused in a sentence, and leaves nothing behind."""

import random
import shutil

import numpy as np
import pytest

pytest.importorskip("peft", reason="needs `make setup-train`")

from safetensors.numpy import load_file, save_file

from errors import BadInput
from tests.training import skeletons, tiny
from tests.training.skeletons import by_hand, retyped, silent
from training.export import gguf_file
from training.export.folder import export

WEIGHTS = "adapter_model.safetensors"


def test_a_damaged_header_is_refused_in_a_sentence_or_does_no_harm(tmp_path):
    base, adapter = by_hand(tmp_path)
    whole, chance = base.read_bytes(), random.Random(11)
    end = gguf_file.read(base).tensors[0].begins
    refused = 0
    for at in range(400):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[chance.randrange(end)] = chance.randrange(256)
        base.write_bytes(damaged[: chance.randrange(len(damaged))] if at % 4 == 0 else damaged)
        try:
            export(adapter, str(base), tmp_path / f"out{at}", silent)
        except BadInput:
            refused += 1
            assert not (tmp_path / f"out{at}").exists()
    assert refused > 100


REFUSALS = {
    "no adapter": ({}, r"holds no adapter"),
    "dora": ({"use_dora": True}, r"An adapter with use_dora cannot be merged"),
    "bias": ({"bias": "all"}, r"An adapter with bias cannot"),
    "saved modules": ({"modules_to_save": ["lm_head"]}, r"modules_to_save"),
    "pissa": ({"init_lora_weights": "pissa_niter_4"}, r"init_lora_weights: pissa_niter_4"),
    "other method": ({"peft_type": "LOHA"}, r"peft_type: LOHA"),
    "other rank": ({"r": 8}, r"says rank 8.0 for .* and its matrices have 4 and 4"),
    "few layers": ({"layers_to_transform": None}, r"reaches 1 of the 2 layers in .* another model's"),
    "more layers": ({"layer": "model.layers.2.mlp.gate_proj"}, r"reaches layer 2, and .* has layers 0 to 1"),
    "other size": ({"size": (96, 64)}, r"has 128 x 64 numbers, and the adapter's .* 96 x 64"),
    "no language layer": ({"layer": "model.vision_tower.layers.0.mlp.gate_proj"}, r"no language layer"),
    "other family": ({"layer": "model.decoder.layers.0.mlp.gate_proj"}, r"no language layer of the llama"),
    "no number": ({"lora_alpha": None}, r"does not say lora_alpha in numbers"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_merged_is_refused_before_anything_is_written(tmp_path, case):
    config, sentence = REFUSALS[case]
    base, adapter = by_hand(tmp_path, **config)
    if case == "no adapter":
        (adapter / WEIGHTS).unlink()
    with pytest.raises(BadInput, match=sentence):
        export(adapter, str(base), tmp_path / "out", silent)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["adapter", "base.gguf"]


def test_a_file_of_another_kind_is_refused_in_a_sentence(tmp_path):
    base, adapter = by_hand(tmp_path)
    weights = skeletons.weights(skeletons.llama())
    only = {key: one for key, one in weights.items() if key[1] == "down_proj"}
    other = {
        name: tmp_path / f"{name}.gguf" for name in ("qwen2", "split", "lacking", "text", "empty", "cut")
    }
    skeletons.skeleton(other["qwen2"], "qwen2", weights)
    skeletons.skeleton(other["split"], "llama", weights, split__count=2)
    skeletons.skeleton(other["lacking"], "llama", only)
    other["text"].write_text("no GGUF at all" * 9)
    other["empty"].write_bytes(b"")
    other["cut"].write_bytes(base.read_bytes()[:-4000])
    sentences = {
        "qwen2": r"holds a qwen2 model, and a merge is known for llama, mistral3",
        "split": r"one of several files",
        "lacking": r"has no blk.0.ffn_gate.weight, so that the adapter's gate_proj has no place",
        "text": r"no GGUF, or a damaged one \(it does not begin with GGUF\)",
        "empty": r"no GGUF, or a damaged one",
        "cut": r"is not whole",
    }
    for name, sentence in sentences.items():
        with pytest.raises(BadInput, match=sentence):
            export(adapter, str(other[name]), tmp_path / "out", silent)
    with pytest.raises(BadInput, match=r"There is no GGUF nothing: give --gguf a file, or ollama:NAME"):
        export(adapter, "nothing", tmp_path / "out", silent)
    assert not (tmp_path / "out").exists()


def test_queries_keys_and_values_in_one_tensor_are_refused_as_that(tmp_path):
    names = {"q_proj": "attn_qkv", "k_proj": "attn_k2", "v_proj": "attn_v2", "o_proj": "attn_out"}
    base = skeletons.skeleton(
        tmp_path / "base.gguf", "gptoss", skeletons.weights(tiny.gpt_oss()), names=names
    )
    a, b = np.ones((4, 64)), np.ones((64, 4))
    adapter = skeletons.adapter(tmp_path / "adapter", {"model.layers.0.self_attn.q_proj": (a, b)})
    with pytest.raises(BadInput, match=r"has queries, keys and values in one blk.0.attn_qkv.weight"):
        export(adapter, str(base), tmp_path / "out", silent)


def test_matrices_that_are_not_finite_leave_nothing_behind(tmp_path):
    base, adapter = by_hand(tmp_path)
    held = load_file(adapter / WEIGHTS)
    save_file({name: one * np.float32("nan") for name, one in held.items()}, adapter / WEIGHTS)
    with pytest.raises(BadInput, match=r"not finite: train it again"):
        export(adapter, str(base), tmp_path / "out", silent)
    assert not [one for one in tmp_path.iterdir() if "out" in one.name and not one.name.startswith(".lock")]


def test_a_file_that_the_disk_has_no_room_for_is_refused_before_it_is_written(tmp_path):
    base, adapter = by_hand(tmp_path)
    last = gguf_file.read(base).tensors[-1]
    base = retyped(base, last.name, tmp_path)  # of which nothing is known but that it ends with the file
    with base.open("r+b") as file:
        file.truncate(shutil.disk_usage(tmp_path).free + (1 << 30))
    with pytest.raises(BadInput, match=r"The merged model takes .* GB below"):
        export(adapter, str(base), tmp_path / "out", silent)


def test_a_folder_that_is_there_is_kept(tmp_path):
    base, adapter = by_hand(tmp_path)
    (tmp_path / "out").mkdir()
    with pytest.raises(BadInput, match=r"exists: choose another --out"):
        export(adapter, str(base), tmp_path / "out", silent)
    assert not list((tmp_path / "out").iterdir())
