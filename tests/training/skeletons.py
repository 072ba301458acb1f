"""Tiny GGUFs of real models, as a converter lays them out, and adapters of numbers that matter."""

import json
import struct
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader, GGUFWriter, quants
from gguf.constants import GGMLQuantizationType as Kind
from gguf.constants import GGUFValueType
from peft import get_peft_model
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from tests.training import tiny
from training import family

NAMES = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
}
HEADS = {"q_proj": 4, "k_proj": 2}
QUIET = "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
"""Peft asks transformers by an old name whether activations are recomputed."""


def llama():
    shape = {name: value for name, value in tiny.TEXT.items() if name not in {"model_type", "head_dim"}}
    torch.manual_seed(1)
    return LlamaForCausalLM(LlamaConfig(**shape))


MODELS = {"devstral": tiny.devstral, "gpt-oss": tiny.gpt_oss, "smollm2": llama}


def adapted(name, **more):
    """A model of a family in float32 with an adapter whose matrices are not zero; `more` is for peft."""
    model = MODELS[name]().float()
    lora = family.lora_config(tiny.recipe(name), model)
    for key, value in more.items():
        setattr(lora, key, value)
    both = get_peft_model(model, lora)
    torch.manual_seed(2)
    for key, value in both.named_parameters():
        if "lora_" in key:
            torch.nn.init.normal_(value, std=0.1)
    return both


def weights(model):
    """The language layers' projections of a model, by (number, projection)."""
    found = {}
    for key, value in model.state_dict().items():
        *_, number, _, projection, last = ["", "", "", "", *key.split(".")]
        if last == "weight" and projection in NAMES and "vision" not in key:
            found[int(number), projection] = value.float().numpy().copy()
    return found


def as_converted(matrix, projection, paired):
    """A weight with the rows of each head in a converter's order, row by row."""
    if not paired or projection not in HEADS:
        return matrix
    heads, rows = HEADS[projection], len(matrix)
    width = rows // heads
    out = np.empty_like(matrix)
    for row in range(rows):
        head, within = divmod(row, width)
        half, pair = divmod(within, width // 2)
        out[head * width + 2 * pair + half] = matrix[row]
    return out


def skeleton(path: Path, architecture, tensors, kind=Kind.F32, names=NAMES, **facts) -> Path:
    """A file that holds `tensors`, by (number, projection), and one that no adapter reaches."""
    writer = GGUFWriter(path, architecture)
    numbers = {"block_count": 2, "attention.head_count": 4, "attention.head_count_kv": 2, "context_length": 9}
    for name, value in numbers.items():
        writer.add_uint32(f"{architecture}.{name}", value)
    writer.add_name("Tíny")
    writer.add_float32(f"{architecture}.rope.freq_base", 10000.5)
    writer.add_bool("tokenizer.ggml.add_bos_token", False)
    writer.add_array("tokenizer.ggml.tokens", ["a", "", "ñ", "<|end|>"])
    writer.add_array("tokenizer.ggml.scores", [0.5, -1.0])
    writer.add_key_value("tokenizer.ggml.token_type", [1, 3], GGUFValueType.ARRAY, GGUFValueType.INT32)
    writer.add_key_value("odd.number", -3, GGUFValueType.INT64)
    for name, value in facts.items():
        writer.add_uint32(name.replace("__", "."), value)
    writer.data_alignment = facts.get("general__alignment", writer.data_alignment)
    writer.add_tensor("token_embd.weight", np.arange(21, dtype=np.float32).reshape(7, 3))
    for (number, projection), matrix in tensors.items():
        name = f"blk.{number}.{names[projection]}.weight"
        writer.add_tensor(name, quants.quantize(matrix, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def adapter(folder: Path, layers, **config) -> Path:
    """An adapter by hand; `layers` gives A and B by the layers' names."""
    folder.mkdir(parents=True)
    matrices = {}
    for layer, (a, b) in layers.items():
        matrices[f"base_model.model.{layer}.lora_A.weight"] = np.ascontiguousarray(a, dtype=np.float32)
        matrices[f"base_model.model.{layer}.lora_B.weight"] = np.ascontiguousarray(b, dtype=np.float32)
    save_file(matrices, folder / "adapter_model.safetensors")
    said = {"r": 4, "lora_alpha": 8, "peft_type": "LORA", "layers_to_transform": [0]} | config
    (folder / "adapter_config.json").write_text(json.dumps(said))
    return folder


def by_hand(tmp_path, layer="model.layers.0.mlp.gate_proj", size=(128, 64), **config):
    """A skeleton of llama, and an adapter for one layer of it."""
    draw = np.random.default_rng(5)
    base = skeleton(tmp_path / "base.gguf", "llama", weights(llama()))
    a, b = draw.normal(size=(4, size[1])), draw.normal(size=(size[0], 4))
    return base, adapter(tmp_path / "adapter", {layer: (a, b)}, **config)


def retyped(base, name, folder):
    """The file with the number of a type that was given up, and that Ollama has used."""
    data = bytearray(base.read_bytes())
    at = data.index(name.encode()) + len(name) + 4 + 2 * 8
    assert data[at : at + 4] == struct.pack("<I", Kind.F32)
    data[at : at + 4] = struct.pack("<I", 4)
    out = folder / f"{name}.gguf"
    out.write_bytes(data)
    return out


def numbers(path: Path):
    """Each tensor's numbers, by its name, read by gguf."""
    return {one.name: quants.dequantize(one.data, one.tensor_type) for one in GGUFReader(path).tensors}


def silent(*_):
    pass
