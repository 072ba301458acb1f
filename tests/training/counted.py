"""What tensors are alive at most while a layer of transformers runs forward and back, counted one by one.

On the meta device a layer of Devstral's real size takes no memory; on the processor small ones are real.
"""

import weakref

import torch
from peft import LoraConfig, get_peft_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.weak import WeakIdKeyDictionary
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    GptOssConfig,
    GptOssForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Ministral3Config,
    Ministral3ForCausalLM,
)

FUSED = "counted_as_fused"


class Alive(TorchDispatchMode):
    """Adds up the bytes of every storage that comes into being, until it is gone."""

    def __init__(self, *known):
        super().__init__()
        self.bytes = self.most = 0
        self.seen = WeakIdKeyDictionary()
        for tensor in known:
            self.seen[tensor.untyped_storage()] = True

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_iter(made):
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage() not in self.seen:
                self._add(tensor.untyped_storage())
        return made

    def _add(self, storage):
        size = storage.nbytes()
        self.seen[storage] = True
        self.bytes += size
        self.most = max(self.most, self.bytes)
        weakref.finalize(storage, self._gone, size)

    def _gone(self, size):
        self.bytes -= size


class _Fused(torch.autograd.Function):
    """What a fused attention kernel keeps: its inputs, its output, and a number a row."""

    @staticmethod
    def forward(ctx, query, key, value):
        out = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, out, torch.empty(query.shape[:-1], device=query.device))
        return out

    @staticmethod
    def backward(ctx, gradient):
        return tuple(torch.empty_like(tensor) for tensor in ctx.saved_tensors[:3])


def _fused(module, query, key, value, mask, **_):
    times = query.shape[1] // key.shape[1]
    out = _Fused.apply(query, key.repeat_interleave(times, 1), value.repeat_interleave(times, 1))
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(FUSED, _fused)
AttentionMaskInterface.register(FUSED, lambda *_, **__: None)


def with_checkpoints(shape, recipe, tokens: int) -> int:
    """The most bytes beside weights, adapter and gradients, with a checkpoint a layer, as on a GPU."""
    kind, attention = (GptOssForCausalLM, "eager") if shape.whole_scores else (Ministral3ForCausalLM, FUSED)
    with torch.device("meta"):
        config = _config(GptOssConfig if shape.experts else Ministral3Config, shape)
        config._attn_implementation = attention
        model = kind(config).to(torch.bfloat16)
        model.activation_checkpointing_enable({"use_reentrant": False})
        model = _adapted(model, recipe)
        body, size = model.get_base_model().model, (recipe.batch_size, tokens)
        mask = torch.empty(recipe.batch_size, 1, tokens, tokens, dtype=torch.bfloat16)
        masks = {"full_attention": mask, "sliding_attention": mask} if shape.experts else mask
        alive = Alive(*model.parameters(), *(one.grad for one in model.parameters() if one.requires_grad))
        with alive:
            words = body.embed_tokens(torch.zeros(size, dtype=torch.long)).requires_grad_()
            out = body(inputs_embeds=words, attention_mask=masks, use_cache=False).last_hidden_state
            out.backward(torch.zeros_like(out))
    return alive.most


def without_checkpoints(shape, recipe, tokens: int) -> int:
    """The bytes that the layers keep for the way back, in bf16 with an adapter in fp32, as on a processor."""
    model = _adapted(LlamaForCausalLM(_config(LlamaConfig, shape)).to(torch.bfloat16), recipe, torch.float32)
    ids = torch.zeros((recipe.batch_size, tokens), dtype=torch.long)
    alive = Alive(*model.parameters())
    with alive, torch.autocast("cpu", dtype=torch.bfloat16):
        kept = model.get_base_model().model(input_ids=ids, use_cache=False)
        return alive.bytes if kept is not None else 0


def _config(kind, shape):
    experts = {"num_local_experts": shape.experts, "num_experts_per_tok": shape.experts_per_token}
    return kind(
        num_hidden_layers=shape.layers,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        vocab_size=shape.vocabulary,
        tie_word_embeddings=shape.tied,
        **(experts if shape.experts else {}),
    )


def _adapted(model, recipe, number=torch.bfloat16):
    names = list(recipe.target_modules)
    lora = LoraConfig(
        r=recipe.r, lora_dropout=recipe.lora_dropout, target_modules=names, task_type="CAUSAL_LM"
    )
    model = get_peft_model(model, lora)
    for value in model.parameters():
        if value.requires_grad:
            value.data = value.data.to(number)
            value.grad = torch.zeros_like(value)
    model.enable_input_require_grads()
    return model.train()
