"""Tiny random models of the classes that the recipes train, and their hub forms: FP8 per tensor, MXFP4."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import GptOssConfig, GptOssForCausalLM, Mistral3Config, Mistral3ForConditionalGeneration

from training.recipe import Recipe

SEVEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
FOUR = SEVEN[:4]
TOKENS = 256
FP8_LARGEST = 448  # of float8_e4m3fn
TEXT = {
    "model_type": "ministral3",
    "vocab_size": TOKENS,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
VISION = {
    "model_type": "pixtral",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
}
EXPERTS = {
    "vocab_size": TOKENS,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
}


def recipe(family: str, **more) -> Recipe:
    names = FOUR if family == "gpt-oss" else SEVEN
    given = {"base": "tiny", "r": 4, "lora_alpha": 8, "learning_rate": 1e-3, "output": "tiny"}
    return Recipe(**(given | {"family": family, "target_modules": names} | more))


def devstral(seed: int = 0) -> Mistral3ForConditionalGeneration:
    torch.manual_seed(seed)
    config = Mistral3Config(text_config=dict(TEXT), vision_config=dict(VISION), tie_word_embeddings=False)
    return _drawn(Mistral3ForConditionalGeneration(config))


def gpt_oss(seed: int = 0) -> GptOssForCausalLM:
    torch.manual_seed(seed)
    return _drawn(GptOssForCausalLM(GptOssConfig(**EXPERTS)))


def _drawn(model):
    # Larger than the initial 0.02, so that attention and experts weigh in what comes out.
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    return model.to(torch.bfloat16).eval()


def tokens(rows: int = 2, length: int = 32) -> torch.Tensor:
    return torch.randint(20, TOKENS, (rows, length), generator=torch.Generator().manual_seed(7))


def saved(model, folder: Path) -> Path:
    model.save_pretrained(folder)
    return folder


def fp8(folder: Path, shards: int = 3) -> Path:
    """Devstral as the hub has it: the language model's linear layers in FP8, one scale a tensor, sharded."""
    saved(devstral(), folder)
    whole = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    for name in [name for name in whole if "language_model" in name and name.endswith("_proj.weight")]:
        scale = whole[name].float().abs().max() / FP8_LARGEST
        whole[name] = (whole[name].float() / scale).to(torch.float8_e4m3fn)
        whole[name.replace("weight", "weight_scale_inv")] = scale.to(torch.bfloat16)
        whole[name.replace("weight", "activation_scale")] = torch.tensor(0.5, dtype=torch.bfloat16)
    # Dealt out in turn, so that a weight and its scale lie in different files.
    placed = {
        name: f"model-{at % shards + 1:05d}-of-{shards:05d}.safetensors"
        for at, name in enumerate(sorted(whole))
    }
    for file in set(placed.values()):
        save_file(
            {name: whole[name] for name in whole if placed[name] == file}, folder / file, {"format": "pt"}
        )
    size = sum(tensor.nbytes for tensor in whole.values())
    index = {"metadata": {"total_size": size}, "weight_map": placed}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    skipped = ["model.vision_tower", "model.multi_modal_projector", "lm_head"]
    _quantized(folder, quant_method="fp8", activation_scheme="static", weight_block_size=None,
               modules_to_not_convert=skipped)  # fmt: skip
    return folder


def mxfp4(folder: Path) -> Path:
    """gpt-oss as the hub has it: experts in blocks of 32 four-bit numbers with an exponent each."""
    saved(gpt_oss(), folder)
    whole = load_file(folder / "model.safetensors")
    draw = torch.Generator().manual_seed(3)
    for name in [name for name in whole if name.endswith(("experts.gate_up_proj", "experts.down_proj"))]:
        experts, into, out = whole.pop(name).shape
        shape = (experts, out, into // 32)
        whole[f"{name}_blocks"] = torch.randint(0, 256, (*shape, 16), dtype=torch.uint8, generator=draw)
        whole[f"{name}_scales"] = torch.randint(121, 124, shape, dtype=torch.uint8, generator=draw)
    save_file(whole, folder / "model.safetensors", {"format": "pt"})
    skipped = ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]
    _quantized(folder, quant_method="mxfp4", modules_to_not_convert=skipped)
    return folder


def _quantized(folder: Path, **how) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": how}))
