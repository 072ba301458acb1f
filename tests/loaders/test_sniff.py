import io
import sys
import zipfile
from pathlib import Path

import pytest

from loaders.sniff import looks_like


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"%PDF-1.7\n", "a PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image"),
        (b"GIF89a\x01\0\x01\0", "a GIF image"),
        (b"RIFF\n\0\0\0WEBPVP8 ", "a WebP image"),
        (b"\x1f\x8b\x08\0", "a gzip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
        (b"{\\rtf1\\ansi", "an RTF document"),
        (b"\n<!DOCTYPE html>\n<html>", "an HTML page"),
        (b"<!-- saved --><HTML lang=es>", "an HTML page"),
    ],
)
def test_known_kinds_are_named_by_their_first_bytes(head, name):
    assert looks_like(head) == name


@pytest.mark.parametrize(
    ("member", "name"),
    [
        ("[Content_Types].xml", "an Office document"),
        ("word/document.xml", "an Office document"),
        ("photo.raw", "a ZIP archive"),
    ],
)
def test_an_office_document_is_told_from_other_zip_archives(member, name):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(member, "x")
    assert looks_like(archive.getvalue()) == name


@pytest.mark.skipif(sys.platform != "linux", reason="the Python that runs this is no ELF file here")
def test_the_python_that_runs_this_is_a_program():
    with Path(sys.executable).open("rb") as file:
        assert looks_like(file.read(64)) == "a program"


@pytest.mark.parametrize(
    "head", [b"", b"PK is short for Peking", b"BMW and MZ make machines", b"GIF for all"]
)
def test_plain_words_look_like_nothing_else(head):
    assert looks_like(head) is None
