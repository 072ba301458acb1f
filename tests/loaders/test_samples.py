from pathlib import Path

import pytest

from loaders.folder import list_folder
from loaders.reading import Reader
from tests.loaders.typeset import SOURCES, TARGET, typeset


@pytest.fixture(scope="module")
def pages():
    with Reader() as reader:
        readings = [reader.read(source) for source in list_folder(TARGET).sources]
    assert [reading.problem for reading in readings] == [None, None, None]
    documents = [document for reading in readings for document in reading.documents]
    return {(page.metadata["file"], page.metadata.get("page")): page.page_content for page in documents}


def test_the_folder_holds_three_small_documents_and_nothing_else():
    listing = list_folder(TARGET)
    assert [source.name for source in listing.sources] == [
        "aurora-300-pump-manual.pdf",
        "huerto-comunitario.txt",
        "night-train-guide.pdf",
    ]
    assert (listing.left_out, listing.problems) == ({}, [])
    assert all(source.size < 60_000 for source in listing.sources)


@pytest.mark.parametrize("source", sorted(SOURCES.glob("*.txt")), ids=lambda path: path.stem)
def test_each_pdf_is_what_its_source_says(source: Path):
    made = typeset(source.read_text(encoding="utf-8"))
    assert (TARGET / source.with_suffix(".pdf").name).read_bytes() == made


@pytest.mark.parametrize(
    ("file", "page", "fact"),
    [
        ("aurora-300-pump-manual.pdf", 1, "Greatest suction height: 8 m"),
        ("aurora-300-pump-manual.pdf", 2, "pour in 1.5 litres of clean water"),
        ("aurora-300-pump-manual.pdf", 3, "Every two weeks in the season: clean the filter"),
        ("aurora-300-pump-manual.pdf", 4, "free of charge for 36 months"),
        ("huerto-comunitario.txt", None, "18 euros por trimestre"),
        ("night-train-guide.pdf", 1, "leaves Portavela every evening at 20:47"),
        ("night-train-guide.pdf", 2, "A place costs 12 euros"),
    ],
)
def test_a_fact_stands_on_its_page(pages, file, page, fact):
    assert fact in " ".join(pages[file, page].split())


def test_every_page_carries_its_footer(pages):
    for (file, page), text in pages.items():
        assert page is None or f"Page {page} of " in text, file
