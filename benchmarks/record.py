"""Run every measurement and write benchmarks/results.json, where the README's numbers come from.

python -m benchmarks.record --data DIR [--part documents|memory|confidence|ingest|proxy|scale]
    [--memories 10000 ...]

DIR holds `squad2_dev/` and `xquad/` (see `benchmarks.documents`) and `locomo/locomo_dev.json`; only the parts
`documents`, `memory` and `confidence` need it. `proxy` names LiteLLM's program with --litellm where it is
installed;
`scale` measures each size of --memories (a million takes half an hour and 17 GB). Each part is one run and
names its machine; with --part the other parts of the file stay as they are.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import settings
from benchmarks import (
    coding,
    confidence,
    documents,
    followups,
    indexing,
    ingest,
    locomo,
    machine,
    memory,
    prefix,
    proxy,
    questions,
    recall,
    scale,
    startup,
    texts,
)
from parts import Parts
from terminal.progress import Bar

RESULTS = Path(__file__).resolve().parent / "results.json"
MESSAGES, SESSIONS, TURNS = 4, 1000, 100_000
SIZES = (10_000, 100_000)
Part = Literal["documents", "memory", "confidence", "ingest", "proxy", "scale"]


def memory_part(data: Path) -> dict[str, Any]:
    """What concerns past sessions: how much is recalled, and how fast."""
    conversations = locomo.load(data / "locomo" / "locomo_dev.json", MESSAGES)
    with Bar() as bar, tempfile.TemporaryDirectory() as large:
        return {
            "machine": machine.described(),
            "questions": sum(len(conversation.asked) for conversation in conversations),
            "rows": memory.measure(conversations, bar),
            "recall": recall.measure(TURNS, Path(large), bar),
        }


def confidence_part(data: Path) -> dict[str, Any]:
    """How well it is known when not to answer."""
    with Bar() as bar:
        return {"machine": machine.described(), "sets": confidence.measure(data, settings.load(), bar)}


def ingest_part() -> dict[str, Any]:
    """What taking documents and logs in costs, beside the embedding model alone."""
    with Bar() as bar, tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as logs:
        texts.write(Path(home) / "documents", files=60, sentences=60)
        return {
            "machine": machine.described(),
            "indexing": indexing.measure(Path(home) / "documents", Path(home)),
            "logs": ingest.measure(SESSIONS, Path(logs), bar),
        }


def scale_part(plans: Sequence[scale.Plan]) -> dict[str, Any]:
    """How large memories are carried, one after the other."""
    runs = []
    for plan in plans:
        with Bar() as bar, tempfile.TemporaryDirectory() as home:
            runs.append(scale.measure(plan, Path(home), bar))
    return {"machine": machine.described(), "runs": runs}


def proxy_part(litellm: Path) -> dict[str, Any]:
    """What standing between a client and its model costs, and what of a prompt is read anew."""
    with Bar() as bar, tempfile.TemporaryDirectory() as near, tempfile.TemporaryDirectory() as far:
        return {
            "machine": machine.described(),
            "overhead": proxy.measure(proxy.Plan(litellm=litellm), Path(near), bar),
            "prefix": prefix.measure(coding.load(), Path(far), bar),
        }


def documents_part(data: Path) -> dict[str, Any]:
    """What concerns documents: what is found, follow-ups, start-up."""
    english, spanish = data / "xquad" / "en.json", data / "xquad" / "es.json"
    sets = [(data / "squad2_dev", None), (english, None), (spanish, None), (english, spanish)]
    results: dict[str, Any] = {"machine": machine.described(), "documents": {}}
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
        results["startup"] = startup.measure(Path(home), 5)
    return results


def main(
    data: Annotated[Path, typer.Option(help="The folder with squad2_dev/, xquad/ and locomo/.")] = Path(),
    part: Annotated[Part | None, typer.Option(help="One part; all without it.")] = None,
    litellm: Annotated[Path, typer.Option(help="LiteLLM's program.")] = proxy.LITELLM,
    memories: Annotated[list[int], typer.Option(help="How many, for the part scale.")] = list(SIZES),  # noqa: B006
) -> None:
    """Measure and write the results."""
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "documents": lambda: documents_part(data),
        "memory": lambda: {"memory": memory_part(data)},
        "confidence": lambda: {"confidence": confidence_part(data)},
        "ingest": lambda: {"ingest": ingest_part()},
        "proxy": lambda: {"proxy": proxy_part(litellm)},
        "scale": lambda: {"scale": scale_part([scale.Plan(memories=size) for size in memories])},
    }
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if part else {}
    for name in [part] if part else parts:
        results |= parts[name]()
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
