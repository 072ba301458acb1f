import codecs
import random
from pathlib import Path

import pytest

from loaders.page import MAX_CHARACTERS, Unreadable
from loaders.text import read_text

WORDS = "El niño llegó: «¿cuánto?» – 30 €.\nSegunda línea.\n"


def read(folder: Path, data: bytes) -> str:
    path = folder / "a.txt"
    path.write_bytes(data)
    return read_text(path)


def reason(folder: Path, data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        read(folder, data)
    return str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        WORDS.encode("utf-8"),
        WORDS.encode("utf-8-sig"),
        WORDS.encode("utf-16"),
        codecs.BOM_UTF16_BE + WORDS.encode("utf-16-be"),
        WORDS.encode("utf-16-le"),
        WORDS.encode("utf-16-be"),
        WORDS.encode("utf-32"),
        codecs.BOM_UTF32_BE + WORDS.encode("utf-32-be"),
        WORDS.encode("cp1252"),
    ],
    ids=[
        "8",
        "8 marked",
        "16 marked",
        "16-be marked",
        "16-le",
        "16-be",
        "32 marked",
        "32-be marked",
        "cp1252",
    ],
)
def test_the_same_words_are_read_from_every_usual_encoding(tmp_path, data):
    assert read(tmp_path, data) == WORDS


def test_utf_16_without_a_mark_may_hold_a_few_other_letters(tmp_path):
    words = "Ā 水 and plenty of plain words around them"  # U+0100 puts its NUL on the other side
    assert read(tmp_path, words.encode("utf-16-le")) == words


def test_the_bytes_that_windows_leaves_undefined_are_read_as_latin_1(tmp_path):
    assert read(tmp_path, b"caf\xe9 \x80 " + b"plain words " * 20 + b"\x81") == (
        "café € " + "plain words " * 20 + "\x81"
    )


def test_every_newline_is_made_the_same(tmp_path):
    assert read(tmp_path, b"one\r\ntwo\rthree\n\r\nfour") == "one\ntwo\nthree\n\nfour"


@pytest.mark.parametrize("data", [b"", b" \r\n\t\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
def test_an_empty_or_blank_file_is_called_empty(tmp_path, data):
    assert reason(tmp_path, data) == "empty"


def test_a_picture_that_calls_itself_text_is_named(tmp_path):
    assert reason(tmp_path, b"\x89PNG\r\n\x1a\n" + bytes(100)) == "not text: looks like a PNG image"
    assert reason(tmp_path, b"%PDF-1.4 in plain letters") == "not text: looks like a PDF"


@pytest.mark.parametrize(
    "data",
    [
        b"many plain words " * 50 + b"\0",
        random.Random(1).randbytes(9000),
        b"\x01\x02\x03" * 40,
        "a\0b".encode("utf-16"),
    ],
    ids=["one NUL", "noise", "control characters", "NUL in UTF-16"],
)
def test_binary_data_is_not_text(tmp_path, data):
    assert reason(tmp_path, data) == "not text: looks like binary data"


def test_a_web_page_and_a_coloured_log_are_text(tmp_path):
    assert read(tmp_path, b"<html><p>Hola</p></html>") == "<html><p>Hola</p></html>"
    assert read(tmp_path, b"\x1b[31mred\x1b[0m\n") == "\x1b[31mred\x1b[0m\n"


def test_a_text_over_the_limit_is_refused_in_any_encoding(tmp_path):
    assert "over 20 million characters" in reason(tmp_path, b"a" * (MAX_CHARACTERS + 1))
    assert "over 20 million characters" in reason(tmp_path, b"\xe9" * (MAX_CHARACTERS + 1))
