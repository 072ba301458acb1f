"""Pages and files cut into passages that can be quoted: each knows where in its source it stands."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.documents import Document

SPLITTER = "recursive-1"  # stored with an index: change it whenever the same text would be cut otherwise

_CUTS = [
    r"\n\s*\n",  # paragraph
    r"(?<=[.!?…])\s+|(?<=[。！？])",  # sentence
    r"\n+",  # line
    r"\s+",  # word
    r"[\s\S]{50}",  # what has no words goes by handfuls: a megabyte of it, character by character, takes 3 s
    "",
]


def split(documents: "list[Document]", size: int = 1000, overlap: int = 200) -> "list[Document]":
    """Passages of at most `size` characters; each one is text[start:end] by its metadata."""
    from langchain_core.documents import Document
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        _CUTS,
        keep_separator="end",
        is_separator_regex=True,
        chunk_size=size,
        chunk_overlap=overlap,
        strip_whitespace=False,
    )
    return [
        Document(text[start:end], metadata={**document.metadata, "start": start, "end": end})
        for document in documents
        for text in [document.page_content]
        for start, end in sorted(set(_places(text, splitter.split_text(text))))
    ]


def _places(text: str, pieces: list[str]) -> Iterator[tuple[int, int]]:
    """Where each piece stands, without the blanks around it.

    The splitter's own start_index is the first match after a guess, and wrong where the text repeats itself.
    Its pieces leave no gap, so each one begins at the last match that still touches the piece before.
    """
    end = 0
    for piece in pieces:
        start = text.rfind(piece, 0, end + len(piece))
        end = start + len(piece)
        stripped = piece.strip()
        if stripped:
            begin = start + piece.index(stripped)
            yield begin, begin + len(stripped)
