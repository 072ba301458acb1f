"""A tiny PDF writer, so that every PDF in the tests is made by the test that reads it.

A page is a content stream: `lines("text")` writes one, `IMAGE` draws a picture, and `+` joins the two.
"""

import io
import zlib
from typing import NamedTuple

WIDTH, HEIGHT = 595, 842  # A4, in points

IMAGE = b"q 400 0 0 500 90 170 cm /Im1 Do Q\n"


class Stream(NamedTuple):
    """The bytes of a stream, and what its dictionary says beside their number."""

    data: bytes
    entries: bytes = b""

    def __bytes__(self) -> bytes:
        return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(self.data), self.entries, self.data)


def show(text: str, x: float, y: float, size: float = 11, font: str = "F1") -> bytes:
    """One line of text at a place on the page, counted in points from its lower left corner; F2 is bold."""
    escaped = text.encode("cp1252").replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
    return b"BT /%s %g Tf %g %g Td (%s) Tj ET\n" % (font.encode(), size, x, y, escaped)


def lines(text: str) -> bytes:
    """A page that shows each line of the text below the one before."""
    return b"".join(show(line, 64, HEIGHT - 72 - 15 * row) for row, line in enumerate(text.splitlines()))


def bomb(megabytes: int) -> Stream:
    """A page of a few kB that inflates, twice over, to so many megabytes of text to show."""
    once, twice = zlib.compressobj(9), zlib.compressobj(9)
    chunk = b"(boom) Tj " * 100_000
    data = b"".join(twice.compress(once.compress(piece)) for piece in [b"BT /F1 9 Tf ", *[chunk] * megabytes])
    return Stream(data + twice.compress(once.flush()) + twice.flush(), b"/Filter [/FlateDecode /FlateDecode]")


def pdf(*pages: bytes | Stream, labels: str = "", title: str = "", padding: int = 0) -> bytes:
    """A whole file; `labels` are the /Nums of its page labels, `padding` is so many unused bytes."""
    first = len(_shared(b"", b"", b"", 0)) + 1
    kids = b" ".join(b"%d 0 R" % (first + 2 * index) for index in range(len(pages)))
    tree = b"<< /Type /Pages /Count %d /Kids [%s] /MediaBox [0 0 %d %d] >>" % (
        len(pages),
        kids,
        WIDTH,
        HEIGHT,
    )
    objects = _shared(tree, labels.encode(), title.encode("cp1252"), padding)
    for page in pages:
        content = b"%d 0 R" % (len(objects) + 2)
        objects.append(b"<< /Type /Page /Parent 2 0 R /Resources 3 0 R /Contents %s >>" % content)
        objects.append(bytes(page if isinstance(page, Stream) else Stream(page)))
    return _file(objects)


def _shared(tree: bytes, labels: bytes, title: bytes, padding: int) -> list[bytes]:
    """The objects before the pages, numbered from 1."""
    font = b"<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>"
    grey = b"/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"
    return [
        b"<< /Type /Catalog /Pages 2 0 R /PageLabels << /Nums [%s] >> >>" % labels,
        tree,
        b"<< /Font << /F1 4 0 R /F2 5 0 R >> /XObject << /Im1 6 0 R >> >>",
        font % b"Helvetica",
        font % b"Helvetica-Bold",
        bytes(Stream(b"\x80", grey)),
        b"<< /Title (%s) >>" % title,
        bytes(Stream(bytes(padding))),
    ]


def _file(objects: list[bytes]) -> bytes:
    out = io.BytesIO()
    out.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    table = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer\n<< /Size %d /Root 1 0 R /Info 7 0 R >>\n" % (len(objects) + 1))
    out.write(b"startxref\n%d\n%%%%EOF\n" % table)
    return out.getvalue()


def encrypted(data: bytes, wanted: str) -> bytes:
    """The same file behind the password that is wanted, by RC4: pypdf needs no other package for it."""
    import pypdf

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    writer.encrypt(wanted, "owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
