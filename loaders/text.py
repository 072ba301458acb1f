"""The text of a .txt file, whatever encoding it was written in; what only calls itself text is refused."""

import codecs
import re
from pathlib import Path

from loaders.page import MAX_CHARACTERS, Unreadable, keep_within_limits
from loaders.sniff import HTML, looks_like

# The mark of UTF-32 begins with that of UTF-16, so it is looked for first.
_MARKS = [
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
]
_CONTROLS = re.compile(r"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f\x81\x8d\x8f\x90\x9d\ufffd]")


def read_text(path: Path) -> str:
    """The whole text with plain newlines; raises Unreadable for what is empty, not text or far too long."""
    with path.open("rb") as file:
        data = file.read(4 * MAX_CHARACTERS + 4)  # no encoding read here takes more bytes for a character
    name = looks_like(data[:1024])
    if name and name != HTML:
        raise Unreadable(f"not text: looks like {name}")
    text = _decoded(data)
    keep_within_limits(1, len(text))
    if not text.strip():
        raise Unreadable("empty")
    if "\0" in text or len(_CONTROLS.findall(text)) > len(text) / 100:
        raise Unreadable("not text: looks like binary data")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(data: bytes) -> str:
    marked = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    encoding = marked or _unmarked_utf16(data[:4096])
    if encoding:
        return data.decode(encoding, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _western(data)


def _unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without a mark: its spaces and Latin letters leave NULs, nearly all on one side of the pair."""
    first, second = head[::2].count(0), head[1::2].count(0)
    fewer, more = sorted([first, second])
    if more < len(head) / 20 or fewer > more / 10:
        return None
    return "utf-16-be" if first > second else "utf-16-le"


def _western(data: bytes) -> str:
    """Windows-1252, and Latin-1 for the five bytes that it leaves undefined."""
    keep_within_limits(1, len(data))
    try:
        return data.decode("cp1252")
    except UnicodeDecodeError:
        named = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}
        return data.decode("latin-1").translate(named)
