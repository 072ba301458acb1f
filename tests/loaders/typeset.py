"""The PDFs of mis_documentos/ from tests/loaders/samples/: `python -m tests.loaders.typeset`.

A source is a footer line, then blocks between blank lines: "# title", "## heading", "- item" lines or a
paragraph; a line of "---" begins a new page.
"""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from tests.pdfs import HEIGHT, WIDTH, pdf, show

SOURCES = Path(__file__).parent / "samples"
TARGET = Path(__file__).parent.parent.parent / "mis_documentos"
MARGIN = 68


def typeset(source: str) -> bytes:
    """The PDF file of one source."""
    footer, body = source.split("\n", 1)
    sheets = body.split("\n---\n")
    pages = [
        _page(sheet, footer, f"Page {number} of {len(sheets)}")
        for number, sheet in enumerate(sheets, start=1)
    ]
    return pdf(*pages, title=footer)


def _page(sheet: str, footer: str, number: str) -> bytes:
    y = HEIGHT - 70.0
    content = b""
    for block in sheet.strip().split("\n\n"):
        y -= 8 if block.startswith("#") else 0
        for text, indent, size, font in _lines(block):
            content += show(text, MARGIN + indent, y, size, font)
            y -= size * 1.42
        y -= 1 if block.startswith("#") else 8
    if y < 60:
        raise ValueError(f"{footer}, {number}: the text runs into the footer")
    rule = b"0.5 w %d 56 m %d 56 l S\n" % (MARGIN, WIDTH - MARGIN)
    return content + rule + show(footer, MARGIN, 42, 8.5) + show(number, WIDTH - MARGIN - 46, 42, 8.5)


def _lines(block: str) -> Iterator[tuple[str, int, float, str]]:
    """The lines of a block, each with its indent, size and font."""
    if block.startswith("# "):
        yield block[2:], 0, 22, "F2"
    elif block.startswith("## "):
        yield block[3:], 0, 13, "F2"
    elif block.startswith("- "):
        for item in block.splitlines():
            first, *more = _wrapped(item[2:], 84)
            yield f"•  {first}", 8, 11, "F1"
            yield from ((line, 20, 11, "F1") for line in more)
    else:
        yield from ((line, 0, 11, "F1") for line in _wrapped(block, 88))


def _wrapped(text: str, width: int) -> list[str]:
    # A line broken at a hyphen reads as one word: "residual-/current" would come back as "residualcurrent".
    return textwrap.wrap(text, width, break_on_hyphens=False)


if __name__ == "__main__":
    for path in SOURCES.glob("*.txt"):
        (TARGET / path.with_suffix(".pdf").name).write_bytes(typeset(path.read_text(encoding="utf-8")))
