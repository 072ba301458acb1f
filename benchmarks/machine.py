"""The machine and the versions that a figure belongs to; every `--json` of a benchmark names them.

python -m benchmarks.machine     the same on one line, for a person
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from terminal import show

LIBRARIES = (
    "qdrant-edge-py",
    "faiss-cpu",
    "bm25s",
    "onnxruntime",
    "aiohttp",
    "uvloop",
    "xllamacpp",
    "langgraph",
    "langchain-core",
    "pypdfium2",
)


def described() -> dict[str, Any]:
    """Cores, processor, memory, Python and the libraries that decide about speed and order."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": platform.machine(),
        "model": _model(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1),
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def _model() -> str | None:
    """The processor's name as Linux knows it; some machines tell none."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def main() -> None:
    """Print it."""
    show.console().print(", ".join(f"{name} {value}" for name, value in described().items()))


if __name__ == "__main__":
    main()
