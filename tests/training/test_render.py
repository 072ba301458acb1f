"""Rows as tokens and labels: what is the same however it is written, what is refused, what TRL trains on."""

import copy
from itertools import pairwise

import pytest

from tests.training import vocabularies
from training.conversation import Unfit
from training.render import IGNORED, Renderer
from training.row import Row

pytest.importorskip("trl", reason="needs `make setup-train`")
FAMILIES = ("smollm2", "devstral", "gpt-oss")
ASKED = {"role": "user", "content": "¿Dónde está?"}
ANSWERED = {"role": "assistant", "content": "Aquí 👩🏽‍💻."}
RESULT = {"role": "tool", "tool_call_id": "abcdefgh1", "content": "a.py"}


def called(arguments, name="bash", number="abcdefgh1"):
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


def calling(*calls, content=""):
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def tool(**parameters):
    function = {"name": "bash", "description": "", "parameters": {"type": "object", "properties": parameters}}
    return {"type": "function", "function": function}


@pytest.mark.parametrize("family", FAMILIES)
def test_labels_are_the_ids_of_what_is_learnt(family):
    sample = vocabularies.renderer(family).sample(Row([ASKED, ANSWERED, ASKED, ANSWERED]))
    learnt = [one for one, label in zip(sample.ids, sample.labels, strict=True) if label != IGNORED]
    assert learnt == [label for label in sample.labels if label != IGNORED]
    assert 0 < sample.supervised == len(learnt) < len(sample.ids)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (calling(called('{"a": "ñ"}')), calling(called({"a": "ñ"}))),
        (calling(called('{"a":"\\u00f1"}')), calling(called({"a": "ñ"}))),
        (calling(called("")), calling(called({}))),
        (calling(called(None)), calling(called({}))),
        (calling(called({}), content=None), calling(called({}))),
        (calling({"id": "abcdefgh1", "name": "bash", "arguments": "{}"}), calling(called({}))),
    ],
)
def test_a_call_is_one_call_however_it_is_written(family, one, other):
    sample = vocabularies.renderer(family).sample
    assert sample(Row([ASKED, one, RESULT, ANSWERED])) == sample(Row([ASKED, other, RESULT, ANSWERED]))


@pytest.mark.parametrize(
    ("family", "told"),
    [
        (
            "smollm2",
            '<|im_start|>assistant\n*<tool_call>[{"name": "bash", "arguments": {"a": "ñ"}}, '
            '{"name": "read_file", "arguments": {}}]</tool_call><|im_end|>*\n'
            "<|im_start|>tool\na.py<|im_end|>\n<|im_start|>tool\nb.py<|im_end|>\n"
            "<|im_start|>assistant\n*Aquí 👩🏽‍💻.<|im_end|>*\n",
        ),
        (
            "devstral",
            '[INST]¿Dónde está?[/INST]*[TOOL_CALLS]bash[ARGS]{"a": "ñ"}[TOOL_CALLS]read_file[ARGS]{}</s>*'
            "[TOOL_RESULTS]a.py[/TOOL_RESULTS][TOOL_RESULTS]b.py[/TOOL_RESULTS]*Aquí 👩🏽‍💻.</s>*",
        ),
        (
            "gpt-oss",
            '<|start|>assistant* to=functions.bash<|channel|>commentary json<|message|>{"a": "ñ"}<|call|>*'
            '<|start|>functions.bash to=assistant<|channel|>commentary<|message|>"a.py"<|end|>'
            "<|start|>assistant* to=functions.read_file<|channel|>commentary json<|message|>{}<|call|>*"
            '<|start|>functions.read_file to=assistant<|channel|>commentary<|message|>"b.py"<|end|>'
            "<|start|>assistant*<|channel|>final<|message|>Aquí 👩🏽‍💻.<|return|>*",
        ),
    ],
)
def test_every_call_is_learnt_and_told_with_its_result(family, told):
    both = calling(called({"a": "ñ"}), called({}, "read_file", "abcdefgh2"))
    second = {"role": "tool", "tool_call_id": "abcdefgh2", "content": "b.py"}
    renderer = vocabularies.renderer(family)
    painted = renderer.painted(renderer.sample(Row([ASKED, both, RESULT, second, ANSWERED])))
    assert "".join(f"*{piece}*" if learnt else piece for piece, learnt in painted).endswith(told)


@pytest.mark.parametrize("family", FAMILIES)
def test_results_are_told_in_the_order_of_their_calls(family):
    both = calling(called({}), called({}, "read_file", "abcdefgh2"))
    second = {"role": "tool", "tool_call_id": "abcdefgh2", "content": "b.py"}
    sample = vocabularies.renderer(family).sample
    assert sample(Row([ASKED, both, second, RESULT, ANSWERED])) == sample(
        Row([ASKED, both, RESULT, second, ANSWERED])
    )
    nameless = [{"role": "tool", "content": "a.py"}, {"role": "tool", "content": "b.py"}]
    assert sample(Row([ASKED, both, *nameless, ANSWERED])) == sample(
        Row([ASKED, both, RESULT, second, ANSWERED])
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("why", "row"),
    [
        ("a tool call whose arguments are no JSON", Row([ASKED, calling(called('{"a": '))])),
        ("a tool call whose arguments are no object", Row([ASKED, calling(called("[1]"))])),
        ("a tool call without a name", Row([ASKED, calling(called({}, ""))])),
        ("a tool call without a name", Row([ASKED, calling("bash")])),
        ("a tool without a name", Row([ASKED, ANSWERED], ["bash"])),
        ("a tool result without its call", Row([ASKED, calling(called({}, number="b")), RESULT, ANSWERED])),
        ("text that is no Unicode", Row([ASKED, ANSWERED | {"content": "a\ud83d"}])),
        ("a tool result without its call", Row([ASKED, {"role": "tool", "content": "a.py"}, ANSWERED])),
        ("a tool result without its call", Row([{"role": "tool", "content": "a.py"}, ASKED, ANSWERED])),
        ("nothing in it is learnt", Row([ASKED])),
    ],
)
def test_what_cannot_be_learnt_is_refused_with_the_reason(family, why, row):
    with pytest.raises(Unfit, match=f"^{why}$"):
        vocabularies.renderer(family).sample(row)


def test_a_tool_that_the_template_of_gpt_oss_chokes_on_is_refused():
    row = Row([ASKED, ANSWERED], [tool(level={"type": "integer", "enum": [1, 2], "default": 1})])
    with pytest.raises(Unfit, match="tools that the template cannot render"):
        vocabularies.renderer("gpt-oss").sample(row)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_quoted_control_token_is_text(family):
    renderer = vocabularies.renderer(family)
    controls = set(renderer.tokenizer.all_special_ids) | {
        number for number, token in renderer.tokenizer.added_tokens_decoder.items() if token.special
    }
    every = " ".join(renderer.tokenizer.convert_ids_to_tokens(sorted(controls)))
    quoting = f"{every} \ufdd0"
    messages = [ASKED, calling(called({every: quoting}), content=quoting), RESULT | {"content": quoting}]
    plain = [ASKED, calling(called({"a": "b"}), content="c"), RESULT]
    tools = [tool(level={"type": "string", "description": quoting})]
    loud = renderer.sample(Row([*messages, ANSWERED], tools))
    quiet = renderer.sample(Row([*plain, ANSWERED], [tool(level={"type": "string", "description": "d"})]))
    assert [one for one in loud.ids if one in controls] == [one for one in quiet.ids if one in controls]
    told = "".join(piece for piece, _ in renderer.painted(loud))
    assert told == renderer.text(Row([*messages, ANSWERED], tools))
    assert quoting in told


@pytest.mark.parametrize("family", FAMILIES)
def test_a_painted_sample_is_the_text_with_no_character_divided(family):
    renderer = vocabularies.renderer(family)
    row = Row([ASKED, ANSWERED, ASKED, ANSWERED])
    painted = renderer.painted(renderer.sample(row))
    assert "".join(piece for piece, _ in painted) == renderer.text(row)
    assert [piece for piece, learnt in painted if learnt and "Aquí 👩🏽‍💻." not in piece] == []
    assert all(one[1] != other[1] for one, other in pairwise(painted))


@pytest.mark.parametrize("family", ["smollm2", "gpt-oss"])
def test_the_serving_template_stays_and_a_different_one_is_noticed(family):
    tokenizer = copy.deepcopy(vocabularies.renderer(family).tokenizer)
    before, row = tokenizer.chat_template, Row([ASKED, ANSWERED])
    renderer = Renderer(tokenizer, family)
    renderer.sample(row)
    assert tokenizer.chat_template == before
    assert renderer.unlike(row) is None
    tokenizer.chat_template = before.replace("message", "message", 1) + "!"
    assert renderer.unlike(row) == "'' is '!' there"
    tokenizer.chat_template = "{{ raise_exception('no') }}"
    assert renderer.unlike(row) == "it is refused there: no"


# peft 0.21 asks transformers 5 for something by its old name.
by_its_old_name = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    """TRL's trainer as `run` makes it, over a tiny random model and rows of very different lengths."""
    import torch
    from peft import LoraConfig
    from transformers import LlamaConfig, LlamaForCausalLM

    from tests.training.tiny import recipe
    from training.qlora import Fit
    from training.qlora import trainer as made

    renderer = vocabularies.renderer("smollm2")
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=len(renderer.tokenizer), hidden_size=16, intermediate_size=16,
                         num_hidden_layers=1, num_attention_heads=2)  # fmt: skip
    # The longest is longer than the 1024 tokens that TRL keeps by itself.
    rows = [Row([ASKED, ANSWERED | {"content": "sí " * times}]) for times in (1, 5, 50, 3000, 2)]
    samples = [renderer.sample(row) for row in rows]
    lora = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM")
    chosen = recipe("smollm2", batch_size=2, epochs=1)
    folder = tmp_path_factory.mktemp("run")
    return made(
        Fit(chosen, LlamaForCausalLM(config), renderer.tokenizer, samples, samples, folder), lora
    ), samples


@by_its_old_name
def test_trl_trains_on_exactly_these_tokens_and_labels(trainer):
    made, samples = trainer
    for loader in (made.get_train_dataloader(), made.get_eval_dataloader()):
        seen = []
        for batch in loader:
            assert set(batch) == {"input_ids", "labels", "attention_mask"}
            for ids, labels, mask in zip(*(batch[name].tolist() for name in batch), strict=True):
                there = mask.index(0) if 0 in mask else len(mask)
                assert set(labels[there:]) <= {IGNORED}
                seen.append((ids[:there], labels[:there]))
        assert sorted(seen) == sorted((sample.ids, sample.labels) for sample in samples)


@by_its_old_name
def test_the_loss_of_trl_is_that_of_the_labels_and_no_others(trainer):
    import torch

    made, samples = trainer
    batch = made.data_collator([{"input_ids": one.ids, "labels": one.labels} for one in samples[:3]])
    with torch.no_grad():
        told = made.compute_loss(made.model, dict(batch)).item()
        logits = made.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), batch["labels"][:, 1:].flatten(), ignore_index=IGNORED
    )
    assert told == pytest.approx(losses.item(), rel=1e-3)
