"""The second opinion on a PDF file: pypdf, slower than pdfium, and patient with other kinds of damage."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from loaders.page import Opinion, Page, clean, keep_within_limits

_T = TypeVar("_T")


def second_opinion(path: Path, images: list[int]) -> Opinion | None:
    """What pypdf reads on the pages not yet known as images; None when it cannot open the file."""
    import pypdf

    reader = _attempt(lambda: pypdf.PdfReader(path))
    total = _attempt(lambda: len(reader.pages)) if reader else None
    if reader is None or total is None:
        return None
    keep_within_limits(total, 0)
    opinion = Opinion(total, images=images)
    characters = 0
    for number in sorted(set(range(1, total + 1)).difference(images)):
        text = _attempt(reader.pages[number - 1].extract_text)
        if text is None:
            opinion.damaged.append(number)
        elif text.strip():
            opinion.found.append(Page(clean(text), number, str(number)))
            characters += len(text)
            keep_within_limits(total, characters)
    return opinion


def _attempt(call: Callable[[], _T]) -> _T | None:
    """The result, or None: what pypdf raises on a damaged file may be of any kind."""
    try:
        return call()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - see above; the caller reports the page or the file as damaged
        return None
