"""What the readers of one file give back: its pages, or the reason why there are none."""

from dataclasses import dataclass, field

MAX_PAGES = 10_000
MAX_CHARACTERS = 20_000_000

_DROPPED = {0: None, 0xAD: None}  # NUL, and the soft hyphen that a search would trip over


class Unreadable(Exception):
    """A file with nothing to index; `str(error)` is the reason, for the person who put it there."""


@dataclass(frozen=True)
class Page:
    """The text of one page, its number counted from 1, and the number printed on it ("iv", "A-3")."""

    text: str
    number: int
    label: str


@dataclass(frozen=True)
class Pages:
    """The pages that hold text, how many the file has in all, and what was not read of it, if anything."""

    found: list[Page]
    total: int
    problem: str | None = None


@dataclass
class Opinion:
    """What one PDF reader makes of a file: pages with text, numbers of mere pictures and of damaged pages."""

    total: int
    found: list[Page] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)


def keep_within_limits(pages: int, characters: int) -> None:
    """Refuse a file that claims to be longer than any book, before it fills the memory."""
    if pages > MAX_PAGES:
        raise Unreadable(f"has {pages:,} pages, over the limit of {MAX_PAGES:,}")
    if characters > MAX_CHARACTERS:
        raise Unreadable(f"holds over {MAX_CHARACTERS // 1_000_000} million characters, more than any book")


def clean(text: str) -> str:
    """The text of a PDF page with plain newlines, without NULs and soft hyphens, and fit for UTF-8."""
    text = text.translate(_DROPPED).replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
