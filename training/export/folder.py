"""An adapter merged into a GGUF, for Ollama, which takes no adapters for these families.

The GGUF that is there already is the skeleton: its vocabulary, its template and whatever the adapter does not
reach are copied byte for byte.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

from errors import BadInput, PartMissing
from training.adapter import known_as, must_be_new
from training.export import lora, merge, ollama, places
from training.export.merge import Say
from training.folders import made, must_fit
from training.source import BUNDLED, GGUF, NAME, PACKAGE

MODEL, MODELFILE, FACTS = "model.gguf", "Modelfile", "export.json"
OLLAMA = "ollama:"


def export(adapter: Path, base: str | None, out: Path, say: Say) -> dict[str, Any]:
    """Merge an adapter into a GGUF of its base, and write that with a Modelfile into a new folder.

    `base` is a file or ollama:NAME; without it the bundled model, for an adapter that was trained on it.
    Returns what was done, as export.json says it too.

    Raises:
        BadInput: the folder exists, the two do not fit each other, or the disk has no room.
        PartMissing: Ollama, or the bundled model, is not there.
        StoreFailed: the disk did not take it.
    """
    must_be_new(out)
    skeleton, modelfile = _skeleton(adapter, base)
    planned = merge.planned(adapter, skeleton)
    must_fit(planned.bytes, out, "The merged model", "choose another --out")
    facts = {
        "adapter": str(adapter),
        "skeleton": str(skeleton),
        "architecture": places.architecture(planned.layout),
        "file": str(out / MODEL),
        "modelfile": str(out / MODELFILE),
        "merged": len(planned.targets),
        "copied": len(planned.layout.tensors) - len(planned.targets),
        "bytes": planned.bytes,
    }

    def fill(folder: Path) -> None:
        merge.write(planned, folder / MODEL, say)
        (folder / MODELFILE).write_text(modelfile, encoding="utf-8")
        (folder / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")

    made(out, fill)
    return facts


def _skeleton(adapter: Path, base: str | None) -> tuple[Path, str]:
    """The file to merge into, and the Modelfile of what comes of it."""
    if base is None:
        return _bundled(adapter), f"FROM ./{MODEL}\n"
    if base.startswith(OLLAMA):
        found = ollama.known(base.removeprefix(OLLAMA), f"./{MODEL}")
        return found.weights, found.modelfile
    path = Path(base).expanduser()
    if not path.is_file():
        raise BadInput(
            f"There is no GGUF {base}: give --gguf a file, or {OLLAMA}NAME as `ollama list` says it."
        )
    return path, f"FROM ./{MODEL}\n"


def _bundled(adapter: Path) -> Path:
    lora.changes(adapter)  # what is no adapter is told as that
    named = lora.configured(adapter).get("base_model_name_or_path")
    if named != known_as(BUNDLED + NAME):
        raise BadInput(
            f"The adapter is for {named}, which is not bundled: give that model's GGUF, --gguf {OLLAMA}NAME "
            "as `ollama list` says it, or --gguf FILE."
        )
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise PartMissing("The trial model is not installed: run `make setup`.")
    return Path(spec.origin).parent / GGUF
