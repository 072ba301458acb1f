"""Pictures of the trade-offs, drawn from benchmarks/results.json; nothing is measured.

python -m benchmarks.pictures [--out docs/pictures] [--results FILE]

Each PNG carries a fingerprint of the numbers that it shows, and a test fails where they are not those of the
results. What was not measured is not drawn, and an older picture of it is removed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks.drawing import DPI, DRAWN, is_possible
from benchmarks.pictured import PICTURES, fingerprint, numbers
from errors import BadInput, PartMissing
from terminal import command_line, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
RESULTS, OUT = HERE / "results.json", HERE.parent / "docs" / "pictures"
KEYWORD = "Numbers"
cli = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def figures(results: dict[str, Any]) -> dict[str, tuple[Figure, str]]:
    """Each picture that the results have numbers for, and the fingerprint of these."""
    return {name: (DRAWN[name](shown), fingerprint(shown)) for name, shown in numbers(results)}


def write(results: dict[str, Any], out: Path) -> list[Path]:
    """Draw all of them into a folder; the same numbers make the same bytes with the same library.

    Raises:
        PartMissing: matplotlib is not installed.
    """
    if not is_possible():
        raise PartMissing("Pictures need matplotlib: `make lint` installs it with what developers need.")

    drawn = figures(results)
    out.mkdir(parents=True, exist_ok=True)
    for name in PICTURES.keys() - drawn.keys():
        (out / f"{name}.png").unlink(missing_ok=True)
    for name, (figure, mark) in drawn.items():
        figure.savefig(out / f"{name}.png", dpi=DPI, metadata={KEYWORD: mark, "Software": None})
    return [out / f"{name}.png" for name in drawn]


@cli.command()
def main(
    out: Annotated[Path, typer.Option(help="The folder for the pictures.")] = OUT,
    results: Annotated[Path, typer.Option(help="What benchmarks.record has written.")] = RESULTS,
) -> None:
    """Draw the pictures of the results."""
    try:
        told = json.loads(results.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(
            f"{results} cannot be read as results: `python -m benchmarks.record` writes them."
        ) from error
    for file in write(told, out):
        show.plain(f"{file}\n")


if __name__ == "__main__":
    command_line.run(cli, "benchmarks.pictures")
