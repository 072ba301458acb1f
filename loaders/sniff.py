"""What the first bytes of a file look like, to tell a person what is really behind a wrong suffix."""

import re

HTML = "an HTML page"

_SIGNATURES = [
    (rb"%PDF-", "a PDF"),
    (rb"\x89PNG\r\n\x1a\n", "a PNG image"),
    (rb"\xff\xd8\xff", "a JPEG image"),
    (rb"GIF8[79]a", "a GIF image"),
    (rb"II\*\0|MM\0\*", "a TIFF image"),
    (rb"BM.{4}\0\0\0\0", "a BMP image"),
    (rb"RIFF.{4}WEBP", "a WebP image"),
    (rb"RIFF.{4}WAVE|ID3[\x02-\x04]|OggS|fLaC", "a sound file"),
    (rb".{4}ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI ", "a film or a phone's photo"),
    (rb"PK\x03\x04.{26}(?:\[Content_Types\]|_rels/|word/|xl/|ppt/)", "an Office document"),
    (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", "an Office document"),
    (rb"PK\x03\x04.{26}mimetypeapplication/epub", "an EPUB book"),
    (rb"PK(?:\x03\x04|\x05\x06)", "a ZIP archive"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (rb"\{\\rtf", "an RTF document"),
    (rb"%!PS", "a PostScript file"),
    (rb"\x1f\x8b", "a gzip archive"),
    (rb"BZh[1-9]1AY|\xfd7zXZ\0|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|\x28\xb5\x2f\xfd", "a compressed archive"),
    (rb"SQLite format 3\0", "a database"),
    (rb"\x7fELF|MZ[\x90\x50\x00]\0|\xcf\xfa\xed\xfe|\xca\xfe\xba\xbe", "a program"),
    (rb"(?i)\s*(?:<!--.*?-->\s*)?<(?:!doctype html|html|head|body)\b", HTML),
]


def looks_like(head: bytes) -> str | None:
    """The kind of file that begins so, in words that can follow "looks like"; None for no known one."""
    return next((name for pattern, name in _SIGNATURES if re.match(pattern, head, re.DOTALL)), None)
