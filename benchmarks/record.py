"""Run every measurement and write benchmarks/results.json, where the README's numbers come from.

python -m benchmarks.record --data DIR

DIR holds `squad2_dev/` and `xquad/` (see `benchmarks.documents`).
"""

from __future__ import annotations

import json
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

import settings
from benchmarks import documents, followups, indexing, questions, startup, texts
from parts import Parts

RESULTS = Path(__file__).resolve().parent / "results.json"
LIBRARIES = ("faiss-cpu", "bm25s", "onnxruntime", "langgraph", "langchain-core", "pypdfium2")


def record(data: Path) -> dict[str, Any]:
    """Everything, in one run on one machine."""
    english, spanish = data / "xquad" / "en.json", data / "xquad" / "es.json"
    sets = [(data / "squad2_dev", None), (english, None), (spanish, None), (english, spanish)]
    results: dict[str, Any] = {"machine": _machine(), "documents": {}}
    for where, asked in sets:
        given = questions.load(where, asked)
        results["documents"][given.name] = {
            "questions": len(given.asked),
            "rows": documents.measure(given, settings.load()),
        }
    with Parts(settings.load(documents_dir=followups.SAMPLES)) as parts:
        rows = followups.measure(parts)
    results["followups"] = {name: sum(row[name] for row in rows) for name in ("alone", "together")}
    with tempfile.TemporaryDirectory() as home:
        texts.write(Path(home) / "documents", files=60, sentences=60)
        results["indexing"] = indexing.measure(Path(home) / "documents", Path(home))
    with tempfile.TemporaryDirectory() as home:
        results["startup"] = startup.measure(Path(home), 5)
    return results


def _machine() -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def main(data: Annotated[Path, typer.Option(help="The folder with squad2_dev/ and xquad/.")]) -> None:
    """Measure everything and write the results."""
    RESULTS.write_text(json.dumps(record(data), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
