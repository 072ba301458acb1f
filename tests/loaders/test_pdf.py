import os
from pathlib import Path

import pytest

from loaders.page import Page, Unreadable
from loaders.pdf import read_pdf
from tests.pdfs import IMAGE, Stream, encrypted, lines, pdf

SHARED = (
    Path(os.environ.get("RECUERDO_SHARED", Path(__file__).parents[2].parent / "shared")) / "data" / "pdfs"
)

ONE = lines("The pump stands in the shed\nand hums a little.")
TWO = lines("A second page, on which nothing else is said.")


def read(folder: Path, data: bytes):
    path = folder / "a.pdf"
    path.write_bytes(data)
    return read_pdf(path)


def reason(folder: Path, data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read(folder, data)
    return str(caught.value)


def test_each_page_is_read_with_its_number_and_plain_newlines(tmp_path):
    pages = read(tmp_path, pdf(ONE, TWO))
    assert pages.found == [
        Page("The pump stands in the shed\nand hums a little.", 1, "1"),
        Page("A second page, on which nothing else is said.", 2, "2"),
    ]
    assert (pages.total, pages.problem) == (2, None)


def test_the_number_printed_on_the_page_is_its_label(tmp_path):
    pages = read(tmp_path, pdf(ONE, TWO, TWO, labels="0 << /S /r >> 1 << /S /D /P (A-) /St 7 >>"))
    assert [page.label for page in pages.found] == ["i", "A-7", "A-8"]


def test_a_label_longer_than_any_real_one_is_cut(tmp_path):
    pages = read(tmp_path, pdf(ONE, labels=f"0 << /P ({'x' * 5000}) >>"))
    assert pages.found[0].label == "x" * 20


def test_letters_beyond_ascii_are_read(tmp_path):
    assert (
        read(tmp_path, pdf(lines("Ñandú – “wie schön” – 30 €"))).found[0].text == "Ñandú – “wie schön” – 30 €"
    )


def test_a_word_broken_at_the_end_of_a_line_is_joined(tmp_path):
    text = (
        read(tmp_path, pdf(lines("Clean it regu-\nlarly, says Jean-\nPaul, from 10-\n12 on."))).found[0].text
    )
    assert text == "Clean it regularly, says Jean-Paul, from 10-\n12 on."


def test_a_page_without_text_or_image_is_passed_over(tmp_path):
    pages = read(tmp_path, pdf(ONE, b"", TWO))
    assert [page.number for page in pages.found] == [1, 3]
    assert (pages.total, pages.problem) == (3, None)


def test_a_password_that_is_wanted_is_the_problem(tmp_path):
    assert reason(tmp_path, encrypted(pdf(ONE), "sesame")) == "wants a password; save a copy without one"


def test_a_file_encrypted_with_the_empty_password_opens(tmp_path):
    assert read(tmp_path, encrypted(pdf(ONE), "")).found[0].text.startswith("The pump")


def test_a_file_that_has_lost_its_last_bytes_is_read(tmp_path):
    assert len(read(tmp_path, pdf(ONE, TWO)[:-12]).found) == 2


@pytest.mark.parametrize("keep", [30, 500, 900], ids=["header only", "no pages", "no table"])
def test_a_file_cut_in_the_middle_is_damaged(tmp_path, keep):
    assert reason(tmp_path, pdf(ONE)[:keep]) == "damaged or cut off: two PDF readers failed to open it"


def test_pypdf_is_asked_when_pdfium_cannot_open_the_file(tmp_path):
    lost = pdf(ONE, IMAGE, TWO).replace(b"/Root 1 0 R", b"/Root 99 0 R")
    pages = read(tmp_path, lost)
    assert [page.text for page in pages.found] == [page.text for page in read(tmp_path, pdf(ONE, TWO)).found]
    assert pages.total == 3


def test_garbage_behind_a_good_beginning_is_damaged(tmp_path):
    assert reason(tmp_path, b"%PDF-1.7\n" + os.urandom(5000)).startswith("damaged or cut off")


def test_a_damaged_page_costs_only_itself(tmp_path):
    pages = read(tmp_path, pdf(ONE, TWO, TWO).replace(b"/Kids [9 0 R", b"/Kids [99 0 R"))
    assert [page.number for page in pages.found] == [2, 3]
    assert pages.problem == "page 1 is damaged and left out"


def test_a_file_of_damaged_pages_only_is_damaged(tmp_path):
    assert reason(tmp_path, pdf(Stream(b"x", b"/Filter /Unknown"))).startswith("damaged")


def test_a_file_without_pages_says_so(tmp_path):
    assert reason(tmp_path, pdf()) == "has no pages"


def test_a_file_with_pages_and_no_text_says_so(tmp_path):
    assert reason(tmp_path, pdf(b"", b"")) == "no text on any page"


def test_images_alone_are_reported_with_the_cure(tmp_path):
    assert reason(tmp_path, pdf(IMAGE)) == "no text: 1 page is an image; run OCR first"
    assert reason(tmp_path, pdf(*[IMAGE] * 6)) == "no text: 6 pages are images; run OCR first"
    assert reason(tmp_path, pdf(b"", IMAGE, IMAGE)) == "no text: 2 pages are images; run OCR first"


def test_a_stamp_on_an_image_is_not_its_text_but_a_caption_is(tmp_path):
    assert "1 page is an image" in reason(tmp_path, pdf(lines("Scan no. 0000000012") + IMAGE))
    assert "1 page is an image" in reason(tmp_path, pdf(b"", lines("Scan no. 12") + IMAGE))
    assert read(tmp_path, pdf(lines("The valve, seen from above") + IMAGE)).problem is None


def test_images_among_pages_of_text_are_named(tmp_path):
    pages = read(tmp_path, pdf(ONE, IMAGE, TWO, TWO))
    assert [page.number for page in pages.found] == [1, 3, 4]
    assert pages.problem == "page 2 holds only an image and was not read; run OCR first"
    pages = read(tmp_path, pdf(ONE, IMAGE, TWO, IMAGE))
    assert pages.problem == "pages 2 and 4 hold only an image and were not read; run OCR first"


def test_of_many_images_only_the_first_are_named(tmp_path):
    problem = read(tmp_path, pdf(ONE, *[IMAGE] * 30)).problem
    assert problem is not None
    assert problem.startswith("pages 2, 3, 4, 5, 6, 7, 8, 9 and 22 more hold only an image")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "not a PDF: looks like a PNG image"),
        (b"<html>Page not found</html>", "not a PDF: looks like an HTML page"),
        (b"just some words", "not a PDF"),
    ],
)
def test_what_only_calls_itself_a_pdf_is_named(tmp_path, data, said):
    assert reason(tmp_path, data) == said


def test_more_pages_than_any_book_are_refused(tmp_path):
    assert reason(tmp_path, pdf(*[b""] * 10_001)) == "has 10,001 pages, over the limit of 10,000"
    assert "over the limit" in reason(tmp_path, pdf(ONE).replace(b"/Count 1", b"/Count 20000"))


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real PDF files in {SHARED}")
class TestRealFiles:
    @pytest.mark.parametrize(
        ("name", "pages"),
        [("minimal-document", 1), ("002-trivial-libre-office-writer", 1), ("pdflatex-4-pages", 4),
         ("pdflatex-outline", 4)],
    )  # fmt: skip
    def test_every_page_is_read(self, name, pages):
        reading = read_pdf(SHARED / f"{name}.pdf")
        assert [page.number for page in reading.found] == list(range(1, pages + 1))
        assert reading.problem is None
        assert not any(sign in page.text for page in reading.found for sign in "\r\0\xad\x02\ufffe")

    def test_a_word_broken_by_a_real_program_is_joined(self):
        assert "takimata sanctus" in read_pdf(SHARED / "minimal-document.pdf").found[0].text

    def test_scans_with_a_stamp_are_images(self):
        with pytest.raises(Unreadable, match="no text: 6 pages are images"):
            read_pdf(SHARED / "imagemagick-images.pdf")

    def test_a_real_password_is_wanted(self):
        with pytest.raises(Unreadable, match="wants a password"):
            read_pdf(SHARED / "libreoffice-writer-password.pdf")
