"""A folder of documents and its index: listed, read, brought up to date, ready to search."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Self

import settings
from errors import Locked, PartMissing
from terminal import show
from terminal.progress import Bar

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from loaders.folder import Listing, Source
    from loaders.reading import Reader, Reading
    from stores.documents import Documents
    from stores.embeddings import Embedder
    from stores.files import Report
    from stores.index import Index

WAIT_SECONDS = 600.0


class Library:
    """The documents of the settings; what was opened is closed at the end. For one thread at a time."""

    def __init__(self, chosen: settings.Settings) -> None:
        self.settings = chosen
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @cached_property
    def embedder(self) -> Embedder:
        """The embedding model that the settings name."""
        from stores.embeddings import load_embedder

        chosen = self.settings
        return load_embedder(chosen.embedding_model, chosen.data_dir / "models", chosen.threads)

    @cached_property
    def reader(self) -> Reader:
        """Reads files in a child process."""
        from loaders.reading import Reader

        chosen = self.settings
        reader = Reader(chosen.reader_seconds, chosen.reader_memory_mb, chosen.max_file_mb)
        return self._open.enter_context(reader)

    def read(self, source: Source) -> Reading:
        """A file's documents, its problem, or both; the child process starts with the first file."""
        return self.reader.read(source)

    @cached_property
    def listing(self) -> Listing:
        """The files of the documents folder, as they are now."""
        from loaders.folder import list_folder

        return list_folder(self.settings.documents_dir)

    @cached_property
    def index(self) -> Index:
        """The index of the documents folder, which has a place of its own under DATA_DIR."""
        from loaders import folder, passages, reading
        from stores.index import Index
        from stores.versions import Versions

        chosen = self.settings
        home = chosen.documents_dir.resolve()
        place = (
            f"{home.name or 'root'}-{sha256(str(home).encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
        )
        return Index(
            versions=Versions(chosen.data_dir / "documents" / place),
            recipe={
                "size": chosen.chunk_size,
                "overlap": chosen.chunk_overlap,
                "reader": reading.READER,
                "splitter": passages.SPLITTER,
                "embedding": chosen.embedding_model,
            },
            read=self.read,
            split=partial(passages.split, size=chosen.chunk_size, overlap=chosen.chunk_overlap),
            digest=folder.digest,
        )

    def refresh(self, *, rebuild: bool = False, wait_seconds: float = 0) -> Report:
        """Bring the index up to date, whoever else wants to."""
        with self.index.versions.writing(wait_seconds), Bar() as bar:
            report = self.index.update(self.listing.sources, self.embedder, bar, rebuild=rebuild)
        report.files += len(self.listing.problems)
        report.problems = [*self.listing.problems, *report.problems]
        return report

    def freshen(self) -> None:
        """Bring the index up to date where it is not; while another process does so, the old one serves."""
        if self.index.is_current(self.listing.sources):
            return
        try:
            report = self.refresh()
        except Locked as busy:
            if self.index.versions.newest() is not None:
                show.note(f"{busy} Until then the index before it answers.")
                return
            show.note(str(busy))
            report = self.refresh(wait_seconds=WAIT_SECONDS)
        for problem in report.problems:
            show.note(f"not read: {show.printable(problem['file'])}: {problem['reason']}")

    @cached_property
    def documents(self) -> Documents:
        """The passages, ready to search."""
        self.freshen()
        found = self.index.open(self.embedder)
        if found is None:
            show.note("The index was made by an embedding model that gives other vectors: it is made anew.")
            self.refresh(wait_seconds=WAIT_SECONDS)
            found = self.index.open(self.embedder)
        if found is None:
            raise PartMissing("The index cannot be read: run `python app.py index --rebuild`.")
        return found

    def find(self, question: str, k: int, **_: str | None) -> list[Document]:
        """The k most relevant passages of the documents, which know no narrower scope."""
        return self.documents.find(question, k)
