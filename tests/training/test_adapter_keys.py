"""An adapter that a server would load without a word and without effect is found out before."""

import json

import pytest

pytest.importorskip("peft", reason="needs `make setup-train`")

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, Ministral3Config, Ministral3ForCausalLM

from errors import BadInput
from tests.training import tiny
from training import family, keys
from training.layers import layers

# peft asks transformers by an old name whether activations are recomputed.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
WEIGHTS = "adapter_model.safetensors"


def llama():
    shape = {name: value for name, value in tiny.TEXT.items() if name not in {"model_type", "head_dim"}}
    return LlamaForCausalLM(LlamaConfig(**shape)).to(torch.bfloat16)


MODELS = {"devstral": tiny.devstral, "gpt-oss": tiny.gpt_oss, "smollm2": llama}


def saved(model, lora, folder):
    """An adapter whose matrices are not zero."""
    adapted = get_peft_model(model, lora)
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.05)
    adapted.save_pretrained(folder)
    return folder


def trained(name, folder, **more):
    model = MODELS[name]()
    return saved(model, family.lora_config(tiny.recipe(name, **more), model), folder)


def known(name):
    """What config.json says of the model."""
    return json.loads(MODELS[name]().config.to_json_string(use_diff=False)) | {
        "architectures": [type(MODELS[name]()).__name__]
    }


def change(folder, of):
    """The adapter's matrices, as `of` makes them of those that are there."""
    save_file(dict(of(load_file(folder / WEIGHTS))), folder / WEIGHTS, {"format": "pt"})


def write_config(folder, **more):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def only(problems):
    assert len(problems) == 1, problems
    assert problems[0].endswith(".")
    assert "\n" not in problems[0]
    return problems[0]


@pytest.fixture
def adapter(tmp_path):
    return trained("devstral", tmp_path / "adapter")


@pytest.fixture(scope="module")
def devstral():
    return known("devstral")


@pytest.mark.parametrize("name", MODELS)
def test_what_is_trained_here_fits(name, tmp_path):
    assert keys.effect(trained(name, tmp_path / name), known(name), 16) == []


@pytest.mark.parametrize("name", MODELS)
def test_the_layers_that_config_tells_are_those_of_the_model(name):
    model = MODELS[name]()
    told = layers(known(name))
    reached = family.reached(tiny.recipe(name), model)
    assert sorted(told) == sorted(reached)
    assert all(tuple(model.get_submodule(layer).weight.shape) == told[layer] for layer in reached)


def test_the_keys_are_those_that_vllm_maps(adapter):
    """Both its classes turn `model.language_model.` into `language_model.model.` after PEFT's prefix."""
    assert all(
        key.startswith("base_model.model.model.language_model.layers.")
        for key in load_file(adapter / WEIGHTS)
    )


def test_an_adapter_of_the_text_part_alone_names_no_layer_of_the_whole(tmp_path, devstral):
    text = Ministral3ForCausalLM(Ministral3Config(**tiny.TEXT))
    folder = saved(
        text, LoraConfig(r=4, target_modules=list(tiny.SEVEN), task_type="CAUSAL_LM"), tmp_path / "text"
    )
    told = only(keys.effect(folder, devstral))
    assert "28 of 28 keys name no language layer of Mistral3ForConditionalGeneration" in told
    assert "such as base_model.model.model.layers.0." in told


def test_an_adapter_that_also_reaches_the_vision_tower_is_told_of(tmp_path, devstral):
    folder = saved(tiny.devstral(), LoraConfig(r=4, target_modules=list(tiny.SEVEN)), tmp_path / "seeing")
    assert "14 of 42 keys name no language layer" in only(keys.effect(folder, devstral))


@pytest.mark.parametrize("wrong", ["language_model.layers", "model.layers", "layers"])
def test_a_wrong_prefix_is_found(adapter, devstral, wrong):
    change(
        adapter, lambda held: {key.replace("model.language_model.layers", wrong): held[key] for key in held}
    )
    assert "28 of 28 keys" in only(keys.effect(adapter, devstral))


def test_without_pefts_own_prefix_nothing_is_a_lora_matrix(adapter, devstral):
    change(adapter, lambda held: {key.removeprefix("base_model.model."): held[key] for key in held})
    assert "No key of" in only(keys.effect(adapter, devstral))


def test_layers_beyond_the_last_are_found(adapter, devstral):
    fewer = devstral | {"text_config": devstral["text_config"] | {"num_hidden_layers": 1}}
    assert "14 of 28 keys" in only(keys.effect(adapter, fewer))


def test_an_adapter_of_a_model_of_another_size_is_found(adapter, devstral):
    wider = devstral | {"text_config": devstral["text_config"] | {"intermediate_size": 256}}
    told = only(keys.effect(adapter, wider))
    assert "6 layers have another size in the base, such as model.language_model.layers.0.mlp." in told


def test_b_that_is_zero_changes_nothing(adapter, devstral):
    change(adapter, lambda held: {key: held[key] * (0 if "lora_B" in key else 1) for key in held})
    assert "All 14 B matrices are zero" in only(keys.effect(adapter, devstral))


def test_some_b_that_are_zero_are_told_of(adapter, devstral):
    change(
        adapter,
        lambda held: {key: held[key] * (0 if "layers.1.mlp.up_proj.lora_B" in key else 1) for key in held},
    )
    told = only(keys.effect(adapter, devstral))
    assert "1 of 14 B matrices are zero, as of model.language_model.layers.1.mlp.up_proj" in told


def test_half_a_pair_is_found(adapter, devstral):
    change(adapter, lambda held: {key: held[key] for key in held if "layers.1.mlp.up_proj.lora_B" not in key})
    assert "1 layers have one matrix of two" in only(keys.effect(adapter, devstral))


def test_b_alone_is_told_of_as_well(adapter, devstral):
    change(adapter, lambda held: {key: held[key] for key in held if "lora_B" in key})
    assert "14 layers have one matrix of two" in keys.effect(adapter, devstral)[0]


def test_a_rank_beyond_the_servers_is_told_with_the_cure(tmp_path, devstral):
    folder = trained("devstral", tmp_path / "wide", r=24)
    assert keys.effect(folder, devstral, 32) == []
    told = only(keys.effect(folder, devstral, 16))
    assert told == "The adapter has rank 24 and the server takes 16: give it --max-lora-rank 32."


def test_a_configuration_of_another_training_is_found(adapter, devstral):
    write_config(adapter, r=8)
    assert "says rank 8, and the matrices have 4" in only(keys.effect(adapter, devstral))


@pytest.mark.parametrize("more", [{"use_dora": True}, {"bias": "all"}, {"modules_to_save": ["lm_head"]}])
def test_what_vllm_refuses_is_told_of(adapter, devstral, more):
    write_config(adapter, **more)
    assert f"vLLM refuses an adapter with {next(iter(more))}" in only(keys.effect(adapter, devstral))


@pytest.mark.parametrize("name", ["adapter_config.json", WEIGHTS])
def test_a_file_that_is_missing_or_damaged_is_one_sentence(adapter, devstral, name):
    whole = (adapter / name).read_bytes()
    (adapter / name).write_bytes(whole[: len(whole) // 2])
    assert name in only(keys.effect(adapter, devstral))
    (adapter / name).unlink()
    assert f"has no {name}" in only(keys.effect(adapter, devstral))


def test_a_base_of_an_unknown_class_is_one_sentence(adapter):
    assert "The base is a BertModel" in only(keys.effect(adapter, {"architectures": ["BertModel"]}))


@pytest.mark.parametrize(("rank", "served"), [(1, 1), (4, 8), (16, 16), (24, 32), (257, 320), (512, 512)])
def test_the_rank_to_serve_is_the_least_that_vllm_takes(adapter, rank, served):
    write_config(adapter, r=rank)
    assert keys.served_rank(adapter) == served


def test_a_larger_rank_for_some_layers_counts(adapter):
    write_config(adapter, rank_pattern={"q_proj": 20})
    assert keys.served_rank(adapter) == 32


@pytest.mark.parametrize("content", [None, "{", "[1]", '{"r": 513}'])
def test_what_cannot_be_served_is_refused(tmp_path, content):
    if content:
        (tmp_path / "adapter_config.json").write_text(content)
    with pytest.raises(BadInput, match=r"adapter_config.json cannot be read|no adapter of rank 513"):
        keys.served_rank(tmp_path)
