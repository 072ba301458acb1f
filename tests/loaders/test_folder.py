import hashlib
import os

import pytest

from errors import BadInput
from loaders.folder import digest, list_folder


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("words")


def names(folder):
    return [source.name for source in list_folder(folder).sources]


def test_documents_are_found_at_any_depth_in_order_of_their_names(tmp_path):
    put(tmp_path, "z.txt", "a/b/c/deep.pdf", "B.PDF", "a.Txt")
    assert names(tmp_path) == ["B.PDF", "a.Txt", "a/b/c/deep.pdf", "z.txt"]


def test_a_source_says_where_it_is_how_big_and_how_old(tmp_path):
    put(tmp_path, "a.txt")
    [source] = list_folder(tmp_path).sources
    found = (tmp_path / "a.txt").stat()
    assert source.path == tmp_path / "a.txt"
    assert (source.size, source.mtime_ns, source.ctime_ns) == (5, found.st_mtime_ns, found.st_ctime_ns)


def test_files_of_other_kinds_are_counted_by_suffix(tmp_path):
    put(tmp_path, "a.docx", "b/B.DOCX", "c.md", "README", "good.txt")
    listing = list_folder(tmp_path)
    assert listing.left_out == {".docx": 2, ".md": 1, "": 1}
    assert listing.problems == []


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    put(tmp_path, ".secret.txt", ".git/notes.txt", "a/.cache/x.pdf", "seen.txt")
    assert names(tmp_path) == ["seen.txt"]
    assert list_folder(tmp_path).left_out == {}


def test_a_linked_folder_is_not_entered_and_a_linked_file_is_read(tmp_path):
    put(tmp_path, "outside/far.txt", "in/near.txt")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "folder.txt").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "link.txt").symlink_to(tmp_path / "outside" / "far.txt")
    assert names(tmp_path / "in") == ["link.txt", "near.txt"]


def test_links_to_nothing_and_pipes_are_problems_and_never_hang(tmp_path):
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round.txt").symlink_to(tmp_path / "round.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    listing = list_folder(tmp_path)
    assert listing.sources == []
    assert listing.problems == [
        {"file": "gone.txt", "reason": "a link to a file that is not there"},
        {"file": "pipe.txt", "reason": "not a regular file"},
        {"file": "round.txt", "reason": "cannot be looked at: Too many levels of symbolic links"},
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="every folder opens to root")
def test_a_folder_that_may_not_be_opened_is_a_problem(tmp_path):
    put(tmp_path, "shut/a.txt", "open.txt")
    (tmp_path / "shut").chmod(0)
    listing = list_folder(tmp_path)
    (tmp_path / "shut").chmod(0o700)
    assert [source.name for source in listing.sources] == ["open.txt"]
    assert listing.problems == [{"file": "shut", "reason": "the folder cannot be opened: Permission denied"}]


def test_a_name_that_is_not_utf_8_survives(tmp_path):
    put(tmp_path, os.fsdecode(b"caf\xe9.txt"))
    [source] = list_folder(tmp_path).sources
    assert source.name == "caf\udce9.txt"
    assert source.path.read_text() == "words"


@pytest.mark.parametrize(("name", "fault"), [("missing", "No such file"), ("file.txt", "Not a directory")])
def test_a_folder_that_is_none_is_refused_with_the_cure(tmp_path, name, fault):
    put(tmp_path, "file.txt")
    with pytest.raises(BadInput, match=rf"{name} cannot be used .*{fault}.*: create it and put PDF and TXT"):
        list_folder(tmp_path / name)


def test_the_digest_is_the_sha_256_of_the_bytes(tmp_path):
    path = tmp_path / "big.txt"
    path.write_bytes(b"0123456789" * 300_000)
    assert digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()
