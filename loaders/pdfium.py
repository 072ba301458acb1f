"""The first opinion on a PDF file: pdfium, at a millisecond a page."""

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from loaders.page import Opinion, Page, Unreadable, clean, keep_within_limits

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

_WANTED_PASSWORD = 4  # FPDF_ERR_PASSWORD
_FEW_CHARACTERS = 20  # a scan often carries a stamp or a page number, which is not its text
_LINE_END_HYPHEN = re.compile("\ufffe(.?)", re.DOTALL)


def first_opinion(path: Path) -> Opinion | None:
    """What pdfium reads in the file, None when it cannot open it; a wanted password raises Unreadable."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(path) as pdf:
            return _each_page(pdf)
    except pypdfium2.PdfiumError as error:
        if error.err_code == _WANTED_PASSWORD:
            raise Unreadable("wants a password; save a copy without one") from error
        return None


def _each_page(pdf: "PdfDocument") -> Opinion:
    import pypdfium2

    opinion = Opinion(total=len(pdf))
    keep_within_limits(opinion.total, 0)
    characters = 0
    for number in range(1, opinion.total + 1):
        try:
            with closing(pdf[number - 1]) as page:
                text = _text(page, characters)
                if _is_picture(page, text):
                    opinion.images.append(number)
                elif text.strip():
                    opinion.found.append(Page(text, number, _label(pdf, number)))
                characters += len(text)
        except pypdfium2.PdfiumError:
            opinion.damaged.append(number)
    return opinion


def _text(page: "PdfPage", before: int) -> str:
    text_page = page.get_textpage()
    keep_within_limits(1, before + text_page.count_chars())
    return clean(_LINE_END_HYPHEN.sub(_joined, text_page.get_text_range()))


def _joined(hyphen: re.Match[str]) -> str:
    """Join "regu-/larly" to one word but keep the hyphen of "Jean-/Paul": pdfium marks both alike."""
    after = hyphen[1]
    return after if after.islower() else "-" + after


def _is_picture(page: "PdfPage", text: str) -> bool:
    import pypdfium2.raw

    if len("".join(text.split())) >= _FEW_CHARACTERS:
        return False
    return any(page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]))


def _label(pdf: "PdfDocument", number: int) -> str:
    """The number printed on the page; one longer than any real one is cut."""
    return " ".join(clean(pdf.get_page_label(number - 1)).split())[:20] or str(number)
