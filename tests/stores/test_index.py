"""Indexing does what changed and no more, and never mixes two states."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import pytest
from langchain_core.documents import Document

from stores.index import Index
from stores.versions import Versions


@dataclass(frozen=True)
class File:
    name: str
    path: Path
    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass
class Read:
    documents: list[Document]
    problem: str | None = None


@dataclass
class Folder:
    """A folder of text files, and what was read of it."""

    path: Path
    read_names: list[str] = field(default_factory=list)

    def write(self, name, text):
        (self.path / name).write_text(text)

    def sources(self):
        found = []
        for path in sorted(self.path.iterdir()):
            stat = path.stat()
            found.append(File(path.name, path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
        return found

    def read(self, source):
        self.read_names.append(source.name)
        text = source.path.read_text()
        if "broken" in text:
            return Read([], "damaged")
        return Read([Document(text, metadata={"file": source.name, "start": 0, "end": len(text)})])


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "documents"
    path.mkdir()
    folder = Folder(path)
    folder.write("a.txt", "The pump has a warranty of three years.")
    folder.write("b.txt", "Compost is turned every month.")
    folder.write("c.txt", "broken")
    return folder


def make(folder, tmp_path, **recipe):
    return Index(
        versions=Versions(tmp_path / "index"),
        recipe={"size": 1000, **recipe},
        read=folder.read,
        split=list,
        digest=lambda path: sha256(path.read_bytes()).hexdigest(),
    )


@pytest.fixture
def update(folder, tmp_path, embedder):
    """Bring the index up to date and say what was read for it."""

    def run(*, rebuild=False, **recipe):
        folder.read_names.clear()
        index = make(folder, tmp_path, **recipe)
        with index.versions.writing():
            report = index.update(folder.sources(), embedder, lambda *_: None, rebuild=rebuild)
        return index, report, list(folder.read_names)

    return run


def names(index, embedder):
    return {passage.metadata["file"] for passage in index.open(embedder).find("pump compost", 10)}


def test_the_first_run_reads_everything_and_names_what_it_could_not(update, embedder):
    index, report, read = update()
    assert (report.files, report.added, report.passages, read) == (3, 2, 2, ["a.txt", "b.txt", "c.txt"])
    assert report.problems == [{"file": "c.txt", "reason": "damaged"}]
    assert names(index, embedder) == {"a.txt", "b.txt"}


def test_a_second_run_reads_nothing_and_still_names_the_problem(update, folder):
    update()
    index, report, read = update()
    assert read == []
    assert (report.unchanged, report.added, report.problems) == (
        2,
        0,
        [{"file": "c.txt", "reason": "damaged"}],
    )
    assert index.is_current(folder.sources())
    assert len(list(index.versions.root.glob("[0-9]*"))) == 1


def test_only_the_changed_file_is_read_again(update, folder, embedder):
    update()
    folder.write("b.txt", "The pump hums in B flat.")
    index, report, read = update()
    assert (report.changed, report.unchanged, read) == (1, 1, ["b.txt"])
    assert "B flat" in index.open(embedder).find("B flat", 1)[0].page_content


def test_a_touched_file_is_not_read_again(update, folder):
    update()
    (folder.path / "a.txt").touch()
    _, report, read = update()
    assert (report.unchanged, read) == (2, [])


def test_a_removed_file_leaves(update, folder, embedder):
    update()
    (folder.path / "a.txt").unlink()
    index, report, _ = update()
    assert (report.removed, report.files) == (1, 2)
    assert names(index, embedder) == {"b.txt"}


def test_a_renamed_file_keeps_its_passages_and_gets_its_new_name(update, folder, embedder):
    update()
    (folder.path / "a.txt").rename(folder.path / "z.txt")
    index, report, read = update()
    assert (report.added, report.removed, read) == (1, 1, [])
    assert names(index, embedder) == {"b.txt", "z.txt"}


def test_a_moved_file_is_not_embedded_again(update, folder, tmp_path, embedder):
    folder.write("a.txt", "The pump has a warranty. " * 20)
    index, _, _ = update()
    (folder.path / "a.txt").rename(folder.path / "z.txt")
    told = []
    with index.versions.writing():
        make(folder, tmp_path).update(folder.sources(), embedder, lambda what, *_: told.append(what))
    assert "embedding" not in told
    (hit,) = index.open(embedder).find("warranty of the pump", 1)
    assert hit.metadata["file"] == "z.txt"
    assert hit.metadata["nearness"] > 0.5


def test_a_copy_is_read_once(update, folder):
    folder.write("d.txt", "Compost is turned every month.")
    _, report, read = update()
    assert report.passages == 3
    assert read == ["a.txt", "b.txt", "c.txt"]


def test_a_mended_file_is_read(update, folder):
    update()
    folder.write("c.txt", "whole again")
    _, report, read = update()
    assert (report.problems, read) == ([], ["c.txt"])


def test_another_recipe_means_a_rebuild(update, folder):
    update()
    _, report, read = update(size=500)
    assert (report.added, len(read)) == (2, 3)


def test_an_index_of_another_format_is_made_anew(update, embedder):
    index, _, _ = update()
    facts = index.versions.newest().facts
    with index.versions.writing():
        index.versions.publish(facts | {"format": 1}, lambda folder: None)
    assert index.open(embedder) is None
    _, report, read = update()
    assert (report.added, len(read)) == (2, 3)


def test_a_rebuild_that_is_asked_for_reads_everything(update):
    update()
    _, _, read = update(rebuild=True)
    assert len(read) == 3


def test_another_embedding_model_is_never_searched(update, embedder):
    index, _, _ = update()

    class Other:
        def fingerprint(self):
            return embedder.fingerprint() | {"revision": "another"}

    assert index.open(Other()) is None


def test_an_empty_folder_gives_an_empty_index(update, folder, embedder):
    for path in folder.path.iterdir():
        path.unlink()
    index, report, _ = update()
    assert (report.files, report.passages) == (0, 0)
    assert index.open(embedder).find("pump", 3) == []


def test_a_file_that_vanishes_or_locks_while_indexing_is_a_problem(update, folder, tmp_path, embedder):
    sources = folder.sources()
    (folder.path / "a.txt").unlink()
    index = make(folder, tmp_path)
    with index.versions.writing():
        report = index.update(sources, embedder, lambda *_: None)
    assert {"file": "a.txt", "reason": "cannot be read: No such file or directory"} in report.problems
    assert report.passages == 1


def test_a_damaged_index_is_made_anew(update, folder, embedder):
    index, _, _ = update()
    (index.versions.newest().folder / "vectors.f32").write_bytes(b"\0" * 100)
    assert not index.is_current(folder.sources())
    assert index.open(embedder) is None
    index, report, _ = update()
    assert report.added == 2
    assert names(index, embedder) == {"a.txt", "b.txt"}
