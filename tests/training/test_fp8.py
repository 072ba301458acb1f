"""FP8 as the hub has it becomes the bf16 that transformers itself makes of it, or is refused."""

import json

import pytest

pytest.importorskip("transformers", reason="needs `make setup-train`")

import torch
from safetensors.torch import load_file, save_file
from transformers import FineGrainedFP8Config, Mistral3ForConditionalGeneration

from errors import BadInput, PartMissing
from tests.training import tiny
from training import fp8, headers

SHARDS = [f"model-{number:05d}-of-00003.safetensors" for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tiny.fp8(tmp_path_factory.mktemp("hub"))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "params.json").write_text('{"quantization": "for another engine"}')
    return folder


@pytest.fixture
def copy(tmp_path):
    """A hub folder to damage."""
    return tiny.fp8(tmp_path / "hub")


@pytest.fixture(scope="module")
def converted(hub, tmp_path_factory):
    folder, said = tmp_path_factory.mktemp("bf16"), []
    fp8.convert(hub, folder, said.append)
    assert said == [f"{name} to bf16, {number} of 3" for number, name in enumerate(SHARDS, start=1)]
    return folder


def test_the_hub_form_is_recognised(hub, converted):
    assert (fp8.method(hub), fp8.method(converted)) == ("fp8", None)


def test_every_number_is_what_transformers_makes_of_it(hub, converted):
    how = FineGrainedFP8Config(dequantize=True, activation_scheme="static", weight_block_size=None)
    load = Mistral3ForConditionalGeneration.from_pretrained
    ours = load(converted, dtype="bfloat16").state_dict()
    theirs = load(hub, quantization_config=how, dtype="bfloat16").state_dict()
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        assert value.dtype == torch.bfloat16, name
        apart = (value.float() - theirs[name].float()).norm() / theirs[name].float().norm()
        assert float(apart) < 0.01, name


def test_the_model_says_what_the_one_before_fp8_said(converted):
    loaded = Mistral3ForConditionalGeneration.from_pretrained(converted, dtype="bfloat16")
    ids = tiny.tokens()
    with torch.no_grad():
        one, other = (model(input_ids=ids).logits.float().flatten() for model in (loaded, tiny.devstral()))
    assert float(torch.cosine_similarity(one, other, dim=0)) > 0.99


def test_nothing_of_fp8_is_left_and_nothing_is_lost(hub, converted):
    before = {name: one for file in headers.weights(hub) for name, one in headers.tensors(file).items()}
    after = {name: one for file in headers.weights(converted) for name, one in headers.tensors(file).items()}
    assert {one.dtype for one in after.values()} == {"BF16"}
    assert set(after) == {name for name in before if "scale" not in name}
    assert all(after[name].shape == before[name].shape for name in after)
    index = json.loads((converted / headers.INDEX).read_text())
    assert set(index["weight_map"]) == set(after)
    assert index["metadata"]["total_size"] == sum(one.bytes for one in after.values())
    assert fp8.bytes_needed(hub) == index["metadata"]["total_size"]


def test_what_a_model_needs_beside_weights_is_there_and_another_engines_is_not(converted):
    there = {path.name for path in converted.iterdir()}
    assert there == {*SHARDS, headers.INDEX, "config.json", "generation_config.json", "chat_template.jinja"}
    assert "quantization_config" not in json.loads((converted / "config.json").read_text())


def test_what_transformers_saves_of_fp8_is_refused(hub, tmp_path):
    """The trap: it loads as bf16, and is saved as FP8 without the configuration that says so."""
    how = FineGrainedFP8Config(dequantize=True, activation_scheme="static", weight_block_size=None)
    model = Mistral3ForConditionalGeneration.from_pretrained(hub, quantization_config=how, dtype="bfloat16")
    model.save_pretrained(tmp_path)
    assert fp8.method(tmp_path) is None
    with pytest.raises(BadInput, match="is not in bf16"):
        fp8.checked(tmp_path, sum(value.numel() for value in model.parameters()))


def test_a_scale_that_was_left_is_refused(tmp_path):
    save_file({"one.weight_scale_inv": torch.ones(1, dtype=torch.bfloat16)}, tmp_path / headers.WHOLE)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BadInput, match="is not in bf16: 1 tensors are FP8 or scales"):
        fp8.checked(tmp_path, 1)


def test_a_copy_that_lacks_numbers_is_refused(converted):
    count = sum(one.count for file in headers.weights(converted) for one in headers.tensors(file).values())
    fp8.checked(converted, count)
    with pytest.raises(BadInput, match=f"holds {count:,} numbers, and should hold {count + 1:,}"):
        fp8.checked(converted, count + 1)


def change(folder, file, of):
    """Write a file of weights anew, as `of` changes its tensors."""
    whole = load_file(folder / file)
    of(whole)
    save_file(whole, folder / file, {"format": "pt"})


def refused(folder, into, why):
    into.mkdir()
    with pytest.raises(BadInput, match=why):
        fp8.convert(folder, into)


def test_fp8_without_its_scale_is_refused(copy, tmp_path):
    for file in SHARDS:
        change(
            copy, file, lambda whole: [whole.pop(name) for name in list(whole) if name.endswith("scale_inv")]
        )
    refused(copy, tmp_path / "into", "is FP8 and has no .*weight_scale_inv")


def test_fp8_in_blocks_is_refused(copy, tmp_path):
    def in_blocks(whole):
        whole.update({name: torch.ones(2, 2) for name in whole if name.endswith("scale_inv")})

    for file in SHARDS:
        change(copy, file, in_blocks)
    refused(copy, tmp_path / "into", "has 4 scales: only FP8 with one scale a tensor")


def test_fp8_of_another_kind_is_refused(copy, tmp_path):
    def coarser(whole):
        eight = [name for name, value in whole.items() if value.dtype == torch.float8_e4m3fn]
        whole.update({name: whole[name].float().to(torch.float8_e5m2) for name in eight})

    for file in SHARDS:
        change(copy, file, coarser)
    refused(copy, tmp_path / "into", "is not in bf16: 14 tensors are FP8")


def test_a_file_that_is_cut_short_is_refused(copy, tmp_path):
    path = copy / SHARDS[1]
    path.write_bytes(path.read_bytes()[:-100])
    refused(copy, tmp_path / "into", "is cut short, .* of .* bytes")


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 64, (8).to_bytes(8, "little") + b"no JSON!"])
def test_what_is_no_safetensors_is_refused(content, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"model.safetensors"):
        headers.tensors(path)


def test_a_file_that_was_not_fetched_is_missed(copy):
    (copy / SHARDS[2]).unlink()
    with pytest.raises(PartMissing, match=f"lacks 1 of 3 files of weights, such as {SHARDS[2]}"):
        headers.weights(copy)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(BadInput, match="holds no model"):
        fp8.method(tmp_path)
