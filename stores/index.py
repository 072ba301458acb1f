"""From a folder of files to an index of it, doing only what changed since the last time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stores.files import Entry, Reading, Report, Source, entries_of, problems_of, report_on, untouched
from stores.versions import Version, Versions

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from stores.corpus import Corpus
    from stores.documents import Documents
    from stores.embeddings import Embedder

FORMAT = 2
# What is happening, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]


@dataclass
class Content:
    """What a file's content came to, whatever the file is called."""

    corpus: Corpus
    problem: str | None


@dataclass(frozen=True)
class Index:
    """The index of one folder of documents, and all that is needed to bring it up to date.

    `recipe` holds whatever changes the passages (sizes, reader, splitter): another recipe means a rebuild.
    """

    versions: Versions
    recipe: dict[str, Any]
    read: Callable[[Any], Reading]
    split: Callable[[Iterable[Document]], list[Document]]
    digest: Callable[[Path], str]

    def is_current(self, sources: Sequence[Source]) -> bool:
        """Whether the index on disk is of exactly these files; looks at each, reads none."""
        version = self._usable()
        if version is None:
            return False
        known = entries_of(version)
        return known.keys() == {source.name for source in sources} and all(
            untouched(known[source.name], source) for source in sources
        )

    def problems(self) -> list[dict[str, str]]:
        """The files that were not, or not wholly, read when the index was made."""
        version = self.versions.newest()
        return problems_of(entries_of(version)) if version else []

    def open(self, embedder: Embedder) -> Documents | None:
        """The index ready to search, or None when there is none that this embedder made."""
        from stores.documents import Documents

        for _ in range(3):
            version = self._usable(embedder)
            if version is None:
                return None
            try:
                return Documents.open(version.folder, embedder, version.facts["embedding"]["dimension"])
            except FileNotFoundError:  # writers published twice while this one was being read
                continue
        return None

    def update(
        self, sources: Sequence[Source], embedder: Embedder, progress: Progress, *, rebuild: bool = False
    ) -> Report:
        """Bring the index up to date and publish it whole. Call it within `versions.writing()`.

        Costs a hash of each file that was touched, and reading and embedding (50 to 120 ms a passage) of each
        content that the index has not got. A file that was only moved or copied is not read again.
        """
        started = time.monotonic()
        old = None if rebuild else self._usable(embedder)
        known = entries_of(old) if old else {}
        entries = {source.name: self._entry(source, known.get(source.name)) for source in sources}
        contents = _kept(old, known) if old else {}
        self._add_missing(contents, sources, entries, embedder, progress)
        for entry in entries.values():
            if content := contents.get(entry.sha256):
                entry.passages, entry.problem = len(content.corpus.passages), content.problem
        if old is None or entries != known:
            self._publish(entries, contents, embedder, progress)
        report = report_on(entries, known)
        report.seconds = round(time.monotonic() - started, 3)
        return report

    def _usable(self, embedder: Embedder | None = None) -> Version | None:
        """The newest version if it is of this format, this recipe and (where given) this embedder."""
        version = self.versions.newest()
        if version is None or version.facts.get("format") != FORMAT or version.facts["recipe"] != self.recipe:
            return None
        if embedder is not None:
            from stores.embeddings import same_model

            if not same_model(version.facts["embedding"], embedder.fingerprint()):
                return None
        return version

    def _entry(self, source: Source, known: Entry | None) -> Entry:
        times = (source.size, source.mtime_ns, source.ctime_ns)
        if known is not None and untouched(known, source):
            return Entry(known.sha256, *times)
        try:
            return Entry(self.digest(source.path), *times)
        except OSError as error:
            return Entry("", *times, problem=f"cannot be read: {error.strerror}")

    def _add_missing(
        self,
        contents: dict[str, Content],
        sources: Sequence[Source],
        entries: dict[str, Entry],
        embedder: Embedder,
        progress: Progress,
    ) -> None:
        from stores.corpus import embed

        missing: dict[str, Source] = {}
        for source in sources:
            sha256 = entries[source.name].sha256
            if sha256 and sha256 not in contents:
                missing.setdefault(sha256, source)
        passages: list[Document] = []
        lengths, problems = [], []
        for done, source in enumerate(missing.values()):
            progress("reading", done, len(missing))
            reading = self.read(source)
            pieces = self.split(reading.documents)
            passages += pieces
            lengths.append(len(pieces))
            problems.append(reading.problem)
        corpus = embed(passages, embedder, partial(progress, "embedding"))
        for sha256, part, problem in zip(missing, corpus.cut(lengths), problems, strict=True):
            contents[sha256] = Content(part, problem)

    def _publish(
        self, entries: dict[str, Entry], contents: dict[str, Content], embedder: Embedder, progress: Progress
    ) -> None:
        from stores.corpus import Corpus

        progress("writing", 0, 1)
        fingerprint = embedder.fingerprint()
        parts = [
            contents[entry.sha256].corpus.renamed(name) for name, entry in entries.items() if entry.passages
        ]
        corpus = Corpus.joined(parts, fingerprint["dimension"])
        facts = {
            "format": FORMAT,
            "recipe": self.recipe,
            "embedding": fingerprint,
            "files": {name: asdict(entry) for name, entry in entries.items()},
        }
        self.versions.publish(facts, corpus.save)


def _kept(old: Version, known: dict[str, Entry]) -> dict[str, Content]:
    """What the index already has, by the sha256 of the file's content."""
    from stores.corpus import Corpus

    corpus = Corpus.load(old.folder, old.facts["embedding"]["dimension"])
    parts = corpus.cut([entry.passages for entry in known.values()])
    return {
        entry.sha256: Content(part, entry.problem)
        for entry, part in zip(known.values(), parts, strict=True)
        if entry.sha256
    }
