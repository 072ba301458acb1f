"""The text of a PDF file, page by page, by two readers; what they could not read is said in plain words."""

from pathlib import Path

from loaders.fallback import second_opinion
from loaders.page import Opinion, Pages, Unreadable
from loaders.pdfium import first_opinion
from loaders.sniff import looks_like

_NAMED = 8  # a message names so many pages, then says how many more there are


def read_pdf(path: Path) -> Pages:
    """The pages that hold text; raises Unreadable with the reason, and the cure, when there is none."""
    _check_kind(path)
    opinion = first_opinion(path)
    # Where pdfium saw a picture on every page, a second reading would take long and find no more.
    if opinion is None or not (opinion.found or len(opinion.images) == opinion.total):
        opinion = second_opinion(path, opinion.images if opinion else []) or opinion
    if opinion is None:
        raise Unreadable("damaged or cut off: two PDF readers failed to open it")
    if not opinion.found:
        raise Unreadable(_nothing(opinion))
    return Pages(opinion.found, opinion.total, _unread(opinion))


def _check_kind(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(1024)
    if not head:
        raise Unreadable("empty")
    if b"%PDF-" not in head:
        name = looks_like(head)
        raise Unreadable(f"not a PDF: looks like {name}" if name else "not a PDF")


def _nothing(opinion: Opinion) -> str:
    if opinion.total == 0:
        return "has no pages"
    if opinion.images:
        count = len(opinion.images)
        pages = "1 page is an image" if count == 1 else f"{count} pages are images"
        return f"no text: {pages}; run OCR first"
    if len(opinion.damaged) == opinion.total:
        return "damaged: none of its pages can be opened"
    return "no text on any page"


def _unread(opinion: Opinion) -> str | None:
    parts = []
    if opinion.images:
        verb, were = ("holds", "was") if len(opinion.images) == 1 else ("hold", "were")
        parts.append(f"{_named(opinion.images)} {verb} only an image and {were} not read; run OCR first")
    if opinion.damaged:
        verb = "is" if len(opinion.damaged) == 1 else "are"
        parts.append(f"{_named(opinion.damaged)} {verb} damaged and left out")
    return ". ".join(parts) or None


def _named(pages: list[int]) -> str:
    """The pages as a person lists them: "page 3", "pages 3 and 7", "pages 1, 2, ... and 92 more"."""
    numbers = [str(page) for page in pages]
    if len(numbers) == 1:
        return f"page {numbers[0]}"
    if len(numbers) > _NAMED:
        numbers[_NAMED:] = [f"{len(numbers) - _NAMED} more"]
    return f"pages {', '.join(numbers[:-1])} and {numbers[-1]}"
