"""What LoRA reaches in each family, what stays as it was, and that evaluating first costs no gradients."""

import pytest

pytest.importorskip("peft", reason="needs `make setup-train`")

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import BitsAndBytesConfig, Mistral3ForConditionalGeneration

from errors import BadInput
from tests.training import tiny
from training import base, family

# peft asks transformers by an old name whether activations are recomputed.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
TEXT = [
    f"model.language_model.layers.{layer}.{part}.{name}"
    for layer in range(2)
    for part, names in (("self_attn", tiny.FOUR), ("mlp", tiny.SEVEN[4:]))
    for name in names
]
ATTENTION = [f"model.layers.{layer}.self_attn.{name}" for layer in range(2) for name in tiny.FOUR]


def adapted(family_name, model, **more):
    recipe = tiny.recipe(family_name, **more)
    return get_peft_model(model, family.lora_config(recipe, model))


def trainable(model):
    return [name for name, value in model.named_parameters() if value.requires_grad]


def gradients(model):
    model.train()
    model.zero_grad()
    ids = tiny.tokens()
    model(input_ids=ids, labels=ids).loss.backward()
    return {name: value.grad for name, value in model.named_parameters() if value.grad is not None}


def test_of_devstral_exactly_the_language_model_is_reached():
    model = tiny.devstral()
    assert sorted(family.reached(tiny.recipe("devstral"), model)) == sorted(TEXT)
    names = trainable(adapted("devstral", model))
    assert len(names) == 28
    assert not [name for name in names if "vision" in name or "projector" in name]


def test_a_plain_list_of_names_would_have_reached_the_vision_tower():
    names = trainable(get_peft_model(tiny.devstral(), LoraConfig(r=4, target_modules=list(tiny.SEVEN))))
    assert (len(names), len([name for name in names if "vision_tower" in name])) == (42, 14)


def test_of_gpt_oss_the_attention_is_reached_and_every_matrix_gets_a_gradient():
    model = adapted("gpt-oss", family.prepared(tiny.recipe("gpt-oss"), tiny.gpt_oss()), lora_dropout=0.05)
    model.enable_input_require_grads()
    model.activation_checkpointing_enable({"use_reentrant": False})
    reached = {name.removeprefix("base_model.model.").partition(".lora_")[0] for name in trainable(model)}
    assert reached == set(ATTENTION)
    for name, value in model.named_parameters():
        if "lora_B" in name:  # zero at first, which keeps the gradient of A at zero
            torch.nn.init.normal_(value, std=0.05)
    found = gradients(model)
    assert sorted(found) == sorted(trainable(model))
    assert all(float(value.abs().sum()) > 0 for value in found.values())
    experts = {value.dtype for name, value in model.named_parameters() if "experts" in name}
    assert experts == {torch.bfloat16}


@pytest.mark.parametrize(
    ("name", "model", "missed"),
    [("gpt-oss", tiny.gpt_oss, "gate_up_proj"), ("devstral", tiny.devstral, "linear_1")],
)
def test_a_name_that_reaches_nothing_is_refused_with_those_that_do(name, model, missed):
    with pytest.raises(BadInput, match=rf"{missed} is no linear layer .*k_proj, o_proj, q_proj, .*v_proj"):
        adapted(name, model(), target_modules=("q_proj", missed))


def test_a_prepared_base_is_frozen_and_has_no_eyes_and_says_the_same():
    model, ids = tiny.devstral(), tiny.tokens()
    with torch.no_grad():
        before = model(input_ids=ids).logits
        held = sum(value.numel() for value in model.parameters())
        same = family.prepared(tiny.recipe("devstral"), model)
        after = same(input_ids=ids).logits
    assert same is model
    assert torch.equal(before, after)
    assert (model.model.vision_tower, model.model.multi_modal_projector) == (None, None)
    assert sum(value.numel() for value in model.parameters()) < held
    assert not trainable(model)
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}


def test_an_adapter_that_was_trained_without_eyes_acts_on_the_whole_model(tmp_path):
    blind = adapted("devstral", family.prepared(tiny.recipe("devstral"), tiny.devstral()))
    for name, value in blind.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.05)
    blind.eval().save_pretrained(tmp_path)
    whole, ids = tiny.devstral(), tiny.tokens()
    with torch.no_grad():
        plain = whole(input_ids=ids).logits
        seen = PeftModel.from_pretrained(whole, str(tmp_path))(input_ids=ids).logits
        assert torch.equal(seen, blind(input_ids=ids).logits)
    assert not torch.equal(seen, plain)


@pytest.mark.parametrize(
    ("name", "wanted", "cuda", "held"),
    [
        ("devstral", "nf4", True, True),
        ("devstral", "nf4", False, False),
        ("devstral", "none", True, False),
        ("gpt-oss", "nf4", True, False),
        ("smollm2", "nf4", True, True),
    ],
)
def test_nf4_is_for_gpus_and_for_families_that_it_makes_smaller(name, wanted, cuda, held):
    assert family.quantized(tiny.recipe(name, quantization=wanted), cuda) is held


def packed(folder):
    """The tiny Devstral in NF4, with an adapter that is not zero."""
    recipe = tiny.recipe("devstral")
    how = base.quantization(str(folder), recipe, cuda=True)
    assert isinstance(how, BitsAndBytesConfig)
    loaded = Mistral3ForConditionalGeneration.from_pretrained(
        folder, quantization_config=how, dtype="bfloat16"
    )
    torch.manual_seed(0)
    model = adapted("devstral", loaded)
    for name, value in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.05)
    return model


def test_gradients_are_the_same_after_an_evaluation(tmp_path):
    """On a processor with AVX512-BF16 the cosine is 0.34 without the guard."""
    model = packed(tiny.saved(tiny.devstral(), tmp_path))
    assert family.never_packed(model) == len(TEXT)
    before = gradients(model)
    model.eval()
    with torch.no_grad():
        model(input_ids=tiny.tokens())
    after = gradients(model)
    one, other = (
        torch.cat([value.float().flatten() for value in found.values()]) for found in (before, after)
    )
    assert float(torch.cosine_similarity(one, other, dim=0)) > 0.99
    assert float(other.norm()) == pytest.approx(float(one.norm()), rel=0.01)


def test_nf4_holds_the_language_model_and_nothing_else(tmp_path):
    model = packed(tiny.saved(tiny.devstral(), tmp_path))
    held = [name for name, module in model.named_modules() if hasattr(module, "support_avx512bf16_for_cpu")]
    assert sorted(
        name.removeprefix("base_model.model.").removesuffix(".base_layer") for name in held
    ) == sorted(TEXT)
