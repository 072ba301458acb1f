"""An adapter merged into a GGUF changes what it reaches by what it learnt, and nothing else by a bit."""

import json

import numpy as np
import pytest

pytest.importorskip("peft", reason="needs `make setup-train`")

from gguf import GGUFReader
from gguf.constants import GGMLQuantizationType as Kind
from peft import PeftModel
from safetensors.numpy import load_file, save_file

from errors import BadInput
from tests.training import skeletons
from tests.training.skeletons import NAMES, by_hand, retyped, silent
from training.export import gguf_file
from training.export.folder import export

pytestmark = pytest.mark.filterwarnings(skeletons.QUIET)
OLLAMAS = NAMES | {"o_proj": "attn_out"}
# architecture, family, whether rows lie in pairs, names
FILES = [
    ("llama", "smollm2", True, NAMES),
    ("llama", "devstral", True, NAMES),
    ("mistral3", "devstral", True, NAMES),
    ("gpt-oss", "gpt-oss", False, NAMES),
    ("gptoss", "gpt-oss", False, OLLAMAS),
]
WEIGHTS = "adapter_model.safetensors"


def merged(adapter, base, out):
    facts = export(adapter, str(base), out, silent)
    assert facts == json.loads((out / "export.json").read_text())
    assert facts["bytes"] == (out / "model.gguf").stat().st_size
    return facts


@pytest.mark.parametrize(("architecture", "family", "paired", "names"), FILES)
def test_reached_weights_become_those_that_peft_merges(tmp_path, architecture, family, paired, names):
    model = skeletons.adapted(family)
    model.save_pretrained(tmp_path / "adapter")
    before = skeletons.weights(skeletons.MODELS[family]())
    laid = {key: skeletons.as_converted(one, key[1], paired) for key, one in before.items()}
    base = skeletons.skeleton(tmp_path / "base.gguf", architecture, laid, names=names)
    facts = merged(tmp_path / "adapter", base, tmp_path / "out")
    after, want = skeletons.numbers(tmp_path / "out/model.gguf"), skeletons.weights(model.merge_and_unload())
    for (number, projection), matrix in want.items():
        found = after[f"blk.{number}.{names[projection]}.weight"]
        assert np.abs(found - skeletons.as_converted(matrix, projection, paired)).max() < 1e-5
        assert np.abs(matrix - before[number, projection]).max() > 0.05  # else nothing was told apart
    assert facts["architecture"] == architecture
    assert (facts["merged"], facts["copied"]) == (len(want), 1)


@pytest.mark.parametrize(
    "more",
    [
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 2, r"layers\.1\.mlp\.up_proj": 3}},
        {"alpha_pattern": {"v_proj": 32, r"layers\.0\.self_attn\.(v|o)_proj": 64}},
    ],
)
def test_each_layer_has_the_scale_that_peft_gives_it(tmp_path, more):
    skeletons.adapted("smollm2", **more).save_pretrained(tmp_path / "adapter")
    # Loaded again, since of two patterns that fit the first decides, and peft sorts them when it saves.
    model = PeftModel.from_pretrained(skeletons.llama(), tmp_path / "adapter")
    before = skeletons.weights(skeletons.llama())
    laid = {key: skeletons.as_converted(one, key[1], True) for key, one in before.items()}
    base = skeletons.skeleton(tmp_path / "base.gguf", "llama", laid)
    merged(tmp_path / "adapter", base, tmp_path / "out")
    after = skeletons.numbers(tmp_path / "out/model.gguf")
    for (number, projection), matrix in skeletons.weights(model.merge_and_unload()).items():
        found = after[f"blk.{number}.{NAMES[projection]}.weight"]
        assert np.abs(found - skeletons.as_converted(matrix, projection, True)).max() < 1e-5


def test_all_else_is_copied_byte_for_byte(tmp_path):
    base, adapter = by_hand(tmp_path)
    base = skeletons.skeleton(base, "llama", skeletons.weights(skeletons.llama()), general__alignment=64)
    merged(adapter, base, tmp_path / "out")
    old, new = GGUFReader(base), GGUFReader(tmp_path / "out/model.gguf")
    assert new.alignment == 64
    assert list(old.fields) == list(new.fields)
    for name, field in old.fields.items():
        assert field.types == new.fields[name].types
        assert [one.tobytes() for one in field.parts] == [one.tobytes() for one in new.fields[name].parts]
    assert [one.name for one in old.tensors] == [one.name for one in new.tensors]
    changed = [
        a.name for a, b in zip(old.tensors, new.tensors, strict=True) if a.data.tobytes() != b.data.tobytes()
    ]
    assert changed == ["blk.0.ffn_gate.weight"]


@pytest.mark.parametrize(
    ("kind", "becomes", "within"),
    [
        (Kind.F32, Kind.F32, 1e-5),
        (Kind.F16, Kind.F16, 0.01),
        (Kind.BF16, Kind.BF16, 0.1),
        (Kind.Q4_0, Kind.Q8_0, 0.1),
        (Kind.Q5_1, Kind.Q8_0, 0.1),
        (Kind.Q8_0, Kind.Q8_0, 0.1),
    ],
)
def test_a_weight_keeps_its_type_or_becomes_q8_0(tmp_path, kind, becomes, within):
    base, adapter = by_hand(tmp_path)
    skeletons.skeleton(base, "llama", skeletons.weights(skeletons.llama()), kind)
    merged(adapter, base, tmp_path / "out")
    kinds = {one.name: one.tensor_type for one in GGUFReader(tmp_path / "out/model.gguf").tensors}
    assert kinds.pop("blk.0.ffn_gate.weight") == becomes
    assert {one for name, one in kinds.items() if name.startswith("blk")} == {kind}
    held = load_file(adapter / WEIGHTS)
    b, a = (held[f"base_model.model.model.layers.0.mlp.gate_proj.lora_{one}.weight"] for one in "BA")
    before, after = skeletons.numbers(base), skeletons.numbers(tmp_path / "out/model.gguf")
    name = "blk.0.ffn_gate.weight"
    assert np.abs(after[name] - before[name] - 2 * b @ a).max() < within


def test_a_type_that_nobody_knows_is_copied_unless_it_is_reached(tmp_path):
    base, adapter = by_hand(tmp_path)
    reached, other = (
        retyped(base, name, tmp_path) for name in ("blk.0.ffn_gate.weight", "blk.1.ffn_up.weight")
    )
    with pytest.raises(
        BadInput, match=r"blk.0.ffn_gate.weight of .* has type 4, which cannot be turned into"
    ):
        export(adapter, str(reached), tmp_path / "refused", silent)
    merged(adapter, other, tmp_path / "out")
    old, new = gguf_file.read(other), gguf_file.read(tmp_path / "out/model.gguf")
    places = [next(one for one in file.tensors if one.kind == 4) for file in (old, new)]
    before, after = (
        bytes(gguf_file.opened(file.path)[one.begins : one.begins + one.bytes])
        for file, one in zip((old, new), places, strict=True)
    )
    assert before == after
    assert len(before) == 128 * 64 * 4


def test_numbers_in_16_bits_are_read_as_they_are(tmp_path):
    base, adapter = by_hand(tmp_path)
    held = load_file(adapter / WEIGHTS)
    merged(adapter, base, tmp_path / "want")
    half = {name: np.float16(one).astype(np.float32) for name, one in held.items()}
    brain = {name: (one.view(np.uint32) & 0xFFFF0000).view(np.float32) for name, one in held.items()}
    import torch
    from safetensors.torch import save_file as save_torch

    for at, (known, kind) in enumerate([(half, torch.float16), (brain, torch.bfloat16)]):
        save_file(known, adapter / WEIGHTS)
        merged(adapter, base, tmp_path / f"want{at}")
        save_torch({name: torch.from_numpy(one).to(kind) for name, one in known.items()}, adapter / WEIGHTS)
        merged(adapter, base, tmp_path / f"out{at}")
        files = [(tmp_path / f"{name}{at}/model.gguf").read_bytes() for name in ("want", "out")]
        assert files[0] == files[1]
        assert files[0] != (tmp_path / "want/model.gguf").read_bytes()
