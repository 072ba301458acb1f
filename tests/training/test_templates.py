"""The training templates show a model what its server shows it, and mark what it says itself.

Compared with, on drawn conversations:
- SmolLM2: the template in its own tokenizer.
- gpt-oss: the template of openai/gpt-oss-20b, in the copy that TRL carries.
- Devstral Small 2: mistral-common 1.9.1, tokenizer version 13; vLLM serves it with a later one. Outside the
  suite also with mistral-common 1.13.1, with the template that it makes for version 13, and with a copy of
  the hub's template for Ministral 3, a sibling. What any of these refuses or merges, ours refuses.
"""

import copy
import json

import pytest
from hypothesis import HealthCheck, assume, given, settings

from tests.training import talk, vocabularies
from training import base
from training.conversation import Unfit, conversation, definitions
from training.recipe import load
from training.row import Row

pytest.importorskip("trl", reason="needs `make setup-train`")
LARGE = 100_100
FAMILIES = ("smollm2", "devstral", "gpt-oss")
drawn = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def served(row, family, **more):
    """What transformers makes of a row with the serving template."""
    tokenizer = vocabularies.renderer(family).tokenizer
    return tokenizer.apply_chat_template(
        conversation(row, family), definitions(row) or None, return_dict=False, **more
    )


def by_mistral(row):
    from mistral_common.protocol.instruct.request import ChatCompletionRequest

    messages, tools = copy.deepcopy([list(row.messages), list(row.tools)])
    request = ChatCompletionRequest.from_openai(messages=messages, tools=tools or None)
    return vocabularies.mistral()[1].encode_chat_completion(request).tokens


def learnt(row, family):
    renderer = vocabularies.renderer(family)
    return [piece for piece, marked in renderer.painted(renderer.sample(row)) if marked]


def said(row, family):
    """What the model adds to the text that it was shown, for each of its messages."""
    messages = row.messages if family == "smollm2" else conversation(row, family)
    given = {"smollm2": "<|im_start|>assistant\n", "devstral": ""}[family]
    text = vocabularies.renderer(family).text
    for at, message in enumerate(messages):
        if message["role"] == "assistant":
            before, after = (text(Row(messages[:end], row.tools)) for end in (at, at + 1))
            yield after.removeprefix(before + given)


@pytest.mark.parametrize("family", ["smollm2", "gpt-oss"])
@drawn
@given(row=talk.rows())
def test_a_model_is_shown_what_its_serving_template_shows_it(family, row):
    renderer = vocabularies.renderer(family)
    assert renderer.text(row) == served(row, family, tokenize=False)
    assert renderer.unlike(row) is None
    assert "".join(piece for piece, _ in renderer.painted(renderer.sample(row))) == renderer.text(row)


@pytest.mark.parametrize("family", ["smollm2", "gpt-oss"])
@drawn
@given(row=talk.rows().map(talk.unquoting))
def test_where_nobody_quotes_control_tokens_the_tokens_are_those_of_transformers(family, row):
    # A prompt ends in a line break: a server takes that apart from the line break that an answer begins with.
    blank = any((one["content"] or "")[:1].isspace() for one in row.messages if one["role"] == "assistant")
    assume(not (blank and family == "smollm2"))
    assert vocabularies.renderer(family).sample(row).ids == served(row, family)


@drawn
@given(row=talk.rows())
def test_devstral_is_shown_the_tokens_of_mistral_common(row):
    pytest.importorskip("mistral_common", reason="needs mistral-common, see requirements-dev.in")
    # Before 1.11 mistral-common writes JSON in a tool result anew; vLLM 0.33 needs 1.11.6, which does not.
    no_json = [
        one | {"content": f"- {one['content']}"} if one["role"] == "tool" else one for one in row.messages
    ]
    row = Row(no_json, row.tools)
    assert vocabularies.renderer("devstral").sample(row).ids == by_mistral(row)


@pytest.mark.parametrize("family", ["smollm2", "devstral"])
@drawn
@given(row=talk.rows())
def test_what_is_learnt_is_what_the_model_says_and_nothing_else(family, row):
    expected = [words.removesuffix("\n") if family == "smollm2" else words for words in said(row, family)]
    assert "".join(learnt(row, family)) == "".join(expected)
    assert len(learnt(row, family)) <= len(expected)


@drawn
@given(row=talk.rows())
def test_gpt_oss_learns_to_end_only_where_it_really_ends(row):
    told = conversation(row, "gpt-oss")
    answered = max((at for at, one in enumerate(told) if ends(one)), default=-1)
    expected = ""
    for at, message in enumerate(told):
        if ends(message):
            expected += f"<|channel|>final<|message|>{message['content']}"
        elif message["role"] == "assistant":
            thought = f"<|channel|>analysis<|message|>{message['content']}<|end|><|start|>assistant"
            # History tells a call without the words that were said beside it.
            expected += thought if message["content"] and at > answered else ""
            function = message["tool_calls"][0]["function"]
            told_call = json.dumps(function["arguments"], ensure_ascii=False)
            expected += (
                f" to=functions.{function['name']}<|channel|>commentary json<|message|>{told_call}<|call|>"
            )
    expected += "<|return|>" if ends(told[-1]) else ""
    assert "".join(learnt(row, "gpt-oss")) == expected


def ends(message):
    return message["role"] == "assistant" and "tool_calls" not in message


ASKED = {"role": "user", "content": "a"}
ANSWERED = {"role": "assistant", "content": "b"}
CALLED = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"id": "abcdefgh1", "function": {"name": "bash"}}],
}
RESULT = {"role": "tool", "tool_call_id": "abcdefgh1", "content": "c"}
SYSTEM = {"role": "system", "content": "s"}
EVERYWHERE = {
    "a tool result without its call": [[ASKED, RESULT, ANSWERED], [ASKED, CALLED, RESULT, RESULT, ANSWERED]],
    "a tool call without its result": [[ASKED, CALLED, ANSWERED], [ASKED, CALLED, ASKED, ANSWERED]],
    "nothing in it is learnt": [[]],
}
ONLY_DEVSTRAL = {
    "a user message after a user message": [[ASKED, ASKED, ANSWERED]],
    "a user message after a tool result": [[ASKED, CALLED, RESULT, ASKED, ANSWERED]],
    "an answer after an answer": [[ASKED, ANSWERED, ANSWERED]],
    "a tool call after an answer": [[ASKED, ANSWERED, CALLED]],
    "an answer after nothing": [[ANSWERED]],
    "an answer after a system prompt": [[SYSTEM, ANSWERED]],
    "a system prompt after an answer": [[ASKED, ANSWERED, SYSTEM, ASKED, ANSWERED]],
    "an empty answer": [[ASKED, {"role": "assistant", "content": "  "}, ASKED, ANSWERED]],
    "a tool name that Mistral's server refuses": [
        [ASKED, CALLED | {"tool_calls": [{"id": "abcdefgh1", "function": {"name": "a.b"}}]}]
    ],
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("why", "messages"), [(why, one) for why, all_ in EVERYWHERE.items() for one in all_]
)
def test_no_family_renders_a_call_torn_from_its_result(family, why, messages):
    with pytest.raises(Unfit, match=f"^{why}$"):
        vocabularies.renderer(family).sample(Row(messages))


@pytest.mark.parametrize(
    ("why", "messages"), [(why, one) for why, all_ in ONLY_DEVSTRAL.items() for one in all_]
)
def test_devstral_renders_nothing_that_its_servers_refuse_or_merge(why, messages):
    with pytest.raises(Unfit, match=f"^{why}$"):
        vocabularies.renderer("devstral").sample(Row(messages))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_may_end_in_a_call(family):
    sample = vocabularies.renderer(family).sample(Row([ASKED, CALLED]))
    assert sample.supervised > 0


def test_gpt_oss_does_not_learn_from_messages_whose_thinking_is_hidden():
    thought = [ASKED, ANSWERED | {"thinking": "hmm"}, ASKED, ANSWERED | {"reasoning_content": "so"}]
    assert learnt(Row(thought), "gpt-oss") == [
        "<|channel|>analysis<|message|>so<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>"
    ]
    assert vocabularies.renderer("gpt-oss").unlike(Row(thought)) is None
    called = [ASKED, CALLED | {"thinking": "hmm"}, RESULT]
    assert learnt(Row([*called, ANSWERED]), "gpt-oss") == ["<|channel|>final<|message|>b<|return|>"]
    assert learnt(Row(called[:2]), "gpt-oss") == [
        "<|channel|>analysis<|message|>hmm<|end|><|start|>assistant"
        " to=functions.bash<|channel|>commentary json<|message|>{}<|call|>"
    ]


def test_gpt_oss_refuses_raw_harmony_in_words():
    raw = ANSWERED | {"content": "<|channel|>final<|message|>b"}
    with pytest.raises(Unfit, match="harmony"):
        vocabularies.renderer("gpt-oss").sample(Row([ASKED, raw]))


def test_an_older_copy_of_mistrals_tokenizer_divides_words_as_the_model_was_taught(tmp_path):
    right = vocabularies.renderer("devstral").tokenizer
    right.save_pretrained(tmp_path)
    path = tmp_path / "tokenizer.json"
    old = json.loads(path.read_text())
    old["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+"
    # Only so large a vocabulary is taken for one of Mistral's.
    old["model"]["vocab"] |= {f"never said {number}": number for number in range(len(right), LARGE)}
    path.write_text(json.dumps(old))
    (tmp_path / "config.json").write_text('{"model_type": "mistral3", "transformers_version": "4.57.1"}')
    text = "a parseHTTPResponse of theServer"
    loaded = base.tokenizer(str(tmp_path), load("devstral"))
    assert loaded(text)["input_ids"] == right(text)["input_ids"]
