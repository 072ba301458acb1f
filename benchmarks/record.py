"""Run every measurement and write benchmarks/results.json, where the README's numbers come from.

python -m benchmarks.record --data DIR [--part documents|memory|proxy]

The part `proxy` needs no DIR but names LiteLLM's program with --litellm where it is installed.

DIR holds `squad2_dev/` and `xquad/` (see `benchmarks.documents`) and `locomo/locomo_dev.json`. Each part is
one run and names its machine; with --part the other part of the file stays as it is.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

import settings
from benchmarks import (
    coding,
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
    startup,
    texts,
)
from parts import Parts
from terminal.progress import Bar

RESULTS = Path(__file__).resolve().parent / "results.json"
MESSAGES, SESSIONS, TURNS = 4, 1000, 100_000


def memory_part(data: Path) -> dict[str, Any]:
    """What concerns past sessions: how much is recalled, how fast, and what taking logs in costs."""
    conversations = locomo.load(data / "locomo" / "locomo_dev.json", MESSAGES)
    with Bar() as bar, tempfile.TemporaryDirectory() as logs, tempfile.TemporaryDirectory() as large:
        return {
            "machine": machine.described(),
            "questions": sum(len(conversation.asked) for conversation in conversations),
            "rows": memory.measure(conversations, bar),
            "ingest": ingest.measure(SESSIONS, Path(logs), bar),
            "recall": recall.measure(TURNS, Path(large), bar),
        }


def proxy_part(litellm: Path) -> dict[str, Any]:
    """What standing between a client and its model costs, and what of a prompt is read anew."""
    with Bar() as bar, tempfile.TemporaryDirectory() as near, tempfile.TemporaryDirectory() as far:
        return {
            "machine": machine.described(),
            "overhead": proxy.measure(proxy.Plan(litellm=litellm), Path(near), bar),
            "prefix": prefix.measure(coding.load(), Path(far), bar),
        }


def documents_part(data: Path) -> dict[str, Any]:
    """What concerns documents: what is found, follow-ups, indexing, start-up."""
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
        texts.write(Path(home) / "documents", files=60, sentences=60)
        results["indexing"] = indexing.measure(Path(home) / "documents", Path(home))
    with tempfile.TemporaryDirectory() as home:
        results["startup"] = startup.measure(Path(home), 5)
    return results


def main(
    data: Annotated[Path, typer.Option(help="The folder with squad2_dev/, xquad/ and locomo/.")] = Path(),
    part: Annotated[str | None, typer.Option(help="documents, memory or proxy; all without it.")] = None,
    litellm: Annotated[Path, typer.Option(help="LiteLLM's program.")] = proxy.LITELLM,
) -> None:
    """Measure and write the results."""
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if part else {}
    if part in {None, "documents"}:
        results |= documents_part(data)
    if part in {None, "memory"}:
        results["memory"] = memory_part(data)
    if part in {None, "proxy"}:
        results["proxy"] = proxy_part(litellm)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
