"""Bases are loaded by their own class, whole, frozen, and without a word on standard error."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("peft", reason="needs `make setup-train`")

import torch
from peft import get_peft_model
from transformers import GptOssForCausalLM, Mistral3ForConditionalGeneration

from errors import BadInput
from tests.training import tiny
from training import base, family, source

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("bases")


@pytest.fixture(scope="module")
def devstral(place):
    """The folder that training loads of FP8 as the hub has it."""
    recipe = tiny.recipe("devstral", base=str(tiny.fp8(place / "hub")))
    return base.unpacked(recipe, place / "cache")


@pytest.fixture(scope="module")
def mxfp4(place):
    return tiny.mxfp4(place / "mxfp4")


def test_devstral_is_loaded_whole_and_without_eyes_in_bf16(devstral, capfd):
    model = base.model(devstral, tiny.recipe("devstral"))
    assert isinstance(model, Mistral3ForConditionalGeneration)
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}
    assert not [name for name, value in model.named_parameters() if value.requires_grad or "vision" in name]
    ids = tiny.tokens()
    with torch.no_grad():
        one, other = (some(input_ids=ids).logits.float().flatten() for some in (model, tiny.devstral()))
    assert float(torch.cosine_similarity(one, other, dim=0)) > 0.99
    assert capfd.readouterr() == ("", "")


def test_gpt_oss_is_dequantized_and_frozen(mxfp4, capfd):
    model = base.model(str(mxfp4), tiny.recipe("gpt-oss"))
    assert isinstance(model, GptOssForCausalLM)
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}
    assert model.model.layers[0].mlp.experts.gate_up_proj.shape == (4, 64, 128)
    assert not [value for value in model.parameters() if value.requires_grad]
    assert capfd.readouterr() == ("", "")


def test_a_copy_of_fp8_that_lost_its_scales_is_refused(place):
    """So transformers saves it, and loads it again with no more than a remark."""
    copy, load = place / "lost", Mistral3ForConditionalGeneration.from_pretrained
    load(place / "hub", dtype="bfloat16").save_pretrained(copy)
    with pytest.raises(BadInput, match=r"do not fit a Mistral3.*weight_scale_inv.*give the original"):
        base.model(str(copy), tiny.recipe("devstral"))


def test_a_copy_of_mxfp4_whose_experts_would_be_drawn_at_random_is_refused(mxfp4, place):
    """Saved are bf16 numbers under the names of the blocks; loaded are experts drawn anew."""
    recipe = tiny.recipe("gpt-oss")
    model = base.model(str(mxfp4), recipe)
    model.save_pretrained(place / "blocks")
    with pytest.raises(BadInput, match=r"do not fit a GptOss.*: 8 tensors are missing or in excess"):
        base.model(str(place / "blocks"), recipe)


# peft asks transformers by an old name whether activations are recomputed.
@pytest.mark.parametrize("name", ["devstral", "gpt-oss"])
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_what_is_merged_into_the_whole_base_says_the_same_when_it_is_loaded_again(name, request, tmp_path):
    recipe, ids = tiny.recipe(name), tiny.tokens()
    folder = str(request.getfixturevalue({"devstral": "devstral", "gpt-oss": "mxfp4"}[name]))
    model = base.whole(folder, recipe)
    adapted = get_peft_model(model, family.lora_config(recipe, model)).eval()
    for key, value in adapted.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(value, std=0.05)
    merged = adapted.merge_and_unload()
    merged.save_pretrained(tmp_path, save_original_format=False)
    again = base.whole(str(tmp_path), recipe)
    with torch.no_grad():
        said = again(input_ids=ids).logits
        assert torch.equal(said, merged(input_ids=ids).logits)
        assert not torch.equal(said, base.model(folder, recipe)(input_ids=ids).logits)
    assert again.state_dict().keys() == base.whole(folder, recipe).state_dict().keys()


@pytest.mark.parametrize(
    ("there", "wanted", "amiss"),
    [
        (
            '"num_hidden_layers": 2',
            '"num_hidden_layers": 3',
            "9 tensors .* such as model.language_model.layers.2.",
        ),
        ('"intermediate_size": 128', '"intermediate_size": 256', "6 tensors .*mlp.down_proj"),
    ],
)
def test_weights_that_config_does_not_describe_are_refused(there, wanted, amiss, tmp_path):
    folder = tiny.saved(tiny.devstral(), tmp_path)
    config = (folder / "config.json").read_text()
    assert there in config
    (folder / "config.json").write_text(config.replace(there, wanted))
    with pytest.raises(BadInput, match=amiss):
        base.model(str(folder), tiny.recipe("devstral"))


def test_on_a_gpu_the_language_model_is_held_in_double_nf4(devstral):
    how = base.quantization(devstral, tiny.recipe("devstral"), cuda=True)
    assert (how.load_in_4bit, how.bnb_4bit_quant_type, how.bnb_4bit_use_double_quant) == (True, "nf4", True)
    assert how.bnb_4bit_compute_dtype == torch.bfloat16
    assert set(how.llm_int8_skip_modules) == {"lm_head", "model.vision_tower", "model.multi_modal_projector"}


def test_on_a_processor_nothing_is_quantized(devstral):
    assert base.quantization(devstral, tiny.recipe("devstral"), cuda=False) is None


@pytest.mark.parametrize("cuda", [True, False])
def test_mxfp4_is_dequantized_everywhere(mxfp4, cuda):
    assert base.quantization(str(mxfp4), tiny.recipe("gpt-oss"), cuda=cuda).dequantize is True


@pytest.mark.skipif(torch.cuda.is_available(), reason="about processors")
@pytest.mark.parametrize(("said", "meant"), [("auto", "bfloat16"), ("bf16", "bfloat16"), ("fp16", "float16")])
def test_a_processor_computes_in_bf16_unless_told_otherwise(said, meant):
    assert base.number_type(tiny.recipe("devstral", precision=said)) == getattr(torch, meant)


LOAD = """
import sys
from errors import BadInput
from training import base
from training.quiet import quiet
from training.recipe import Recipe
with quiet():
    import bitsandbytes
more = dict(base="x", r=4, lora_alpha=8, learning_rate=1e-3, output="x", target_modules=("q_proj",))
for family, folder in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    try:
        base.model(folder, Recipe(family=family, **more))
    except BadInput as error:
        print(error)
"""


def test_not_a_word_of_the_libraries_comes_on_standard_error(mxfp4, place):
    """Not transformers' advice about MXFP4, nor its table of what does not fit, nor bitsandbytes' kernel."""
    base.whole(str(mxfp4), tiny.recipe("gpt-oss")).save_pretrained(place / "names")
    words = ["gpt-oss", str(mxfp4), "gpt-oss", str(place / "names")]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("do not fit a GptOssForCausalLM") == 1
    assert done.stderr == ""


@pytest.mark.slow
def test_the_bundled_model_is_unpacked_whole_and_in_silence(request, capfd):
    recipe, cache = (
        tiny.recipe("smollm2", base=source.BUNDLED + source.NAME),
        request.getfixturevalue("bases"),
    )
    assert capfd.readouterr() == ("", "")
    found = source.found(recipe, cache)
    assert found == source.Base(recipe.base, cache / source.NAME, None)
    assert [path for path in found.folder.parent.glob(f"*{source.NAME}*") if path.is_dir()] == [found.folder]
    model, tokenizer = base.model(str(found.folder), recipe), base.tokenizer(str(found.folder), recipe)
    asked = [{"role": "user", "content": "What is the capital of France? Answer in one word."}]
    given = tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.no_grad():
        said = model.generate(**given, max_new_tokens=8, do_sample=False)
    assert "Paris" in tokenizer.decode(said[0, given["input_ids"].shape[1] :])
    capfd.readouterr()
