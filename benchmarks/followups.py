"""Ten follow-up questions over the sample documents: how many find their passage, with and without memory.

python -m benchmarks.followups [--json]

Each pair is a question and one that leans on it ("and its warranty?"); found means that one of the three
delivered passages is of the right file and holds the words that answer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

import settings
from benchmarks import machine
from parts import Parts
from terminal import show

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parent / "mis_documentos"


def pairs() -> list[dict[str, str]]:
    """The pairs, with the file and the words of the passage that answers the second question."""
    read: list[dict[str, str]] = json.loads((HERE / "followups.json").read_text(encoding="utf-8"))
    return read


def measure(parts: Parts) -> list[dict[str, Any]]:
    """One row a pair: whether its passage is delivered alone, and with the question before."""
    return [
        {
            "before": pair["before"],
            "then": pair["then"],
            "alone": _found(parts, pair, []),
            "together": _found(parts, pair, [("human", pair["before"]), ("ai", "")]),
        }
        for pair in pairs()
    ]


def _found(parts: Parts, pair: dict[str, str], history: list[tuple[str, str]]) -> bool:
    hits = parts.recall(pair["then"], history)["passages"]
    return any(hit.metadata["file"] == pair["file"] and pair["says"] in hit.page_content for hit in hits)


def main(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Measure the ten pairs."""
    with Parts(settings.load(documents_dir=SAMPLES)) as parts:
        rows = measure(parts)
    totals = {name: sum(row[name] for row in rows) for name in ("alone", "together")}
    if as_json:
        show.as_json({"pairs": len(rows), **totals, "rows": rows, "machine": machine.described()})
        return
    table = Table("question before", "follow-up", "alone", "together")
    for row in rows:
        table.add_row(row["before"], row["then"], *("yes" if row[name] else "no" for name in totals))
    table.add_row("", "found", *(str(total) for total in totals.values()), style="bold")
    show.console().print(table)


if __name__ == "__main__":
    typer.run(main)
