"""How much of the embedder's own speed indexing reaches, and where the rest of the time goes.

python -m benchmarks.indexing [--documents DIR] [--json]

The embedder alone embeds the passages of the folder, then their pieces too, which is what a search needs;
then the whole of `index` reads, splits, embeds and writes the same folder; a last run finds nothing changed.
One process, one after the other.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

import settings
from benchmarks import machine, texts
from benchmarks.place import borrow_model
from loaders.passages import split
from parts import Parts
from stores.pieces import cut
from terminal import show


def measure(documents: Path, home: Path) -> dict[str, Any]:
    """Passages a second of the embedder alone and of indexing, and seconds of a run without changes."""
    with Parts(settings.load(documents_dir=documents, data_dir=home)) as parts:
        chosen = parts.settings
        borrow_model(home)
        read = [document for source in parts.listing.sources for document in parts.read(source).documents]
        passages = split(read, chosen.chunk_size, chosen.chunk_overlap)
        contents = [passage.page_content for passage in passages]
        parts.embedder.windows(contents[:20])
        alone = _seconds(lambda: parts.embedder.windows(contents))
        with_pieces = alone + _seconds(lambda: parts.embedder.windows(_pieces(contents)))
        whole = _seconds(parts.refresh)
        again = _seconds(parts.refresh)
    return {
        "passages": len(passages),
        "embedder_per_s": round(len(passages) / alone, 1),
        "index_per_s": round(len(passages) / whole, 1),
        "share": round(alone / whole, 3),
        "share_with_pieces": round(with_pieces / whole, 3),
        "unchanged_s": round(again, 2),
        "threads": chosen.threads,
    }


def _pieces(contents: list[str]) -> list[str]:
    return list(dict.fromkeys(piece for content in contents for piece in cut(content)))


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(
    documents: Annotated[Path | None, typer.Option(help="A folder; without one, invented text.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare indexing with the embedder alone."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        if documents is None:
            documents = home / "documents"
            texts.write(documents, files=60, sentences=60)
        facts = measure(documents, home)
    if json:
        show.as_json(facts | {"machine": machine.described()})
        return
    table = Table("passages", "embedder alone", "indexing", "share", "of the pieces too", "nothing changed")
    table.add_row(
        str(facts["passages"]),
        f"{facts['embedder_per_s']}/s",
        f"{facts['index_per_s']}/s",
        f"{100 * facts['share']:.0f} %",
        f"{100 * facts['share_with_pieces']:.0f} %",
        f"{facts['unchanged_s']} s",
    )
    show.console().print(table)


if __name__ == "__main__":
    typer.run(main)
