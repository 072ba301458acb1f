import contextlib
import os
import resource
import signal
import time
from pathlib import Path
from threading import Timer

import pytest

from loaders.folder import Source, list_folder
from loaders.process import Process
from loaders.reading import Reader
from tests.pdfs import IMAGE, bomb, encrypted, lines, pdf

WORDS = "The pump stands in the shed and hums."


def source(path: Path, name: str = "", size: int = 1) -> Source:
    return Source(name or path.name, path, size, 0, 0)


def good(folder: Path) -> Source:
    path = folder / "good.pdf"
    path.write_bytes(pdf(lines(WORDS)))
    return source(path)


def pipe(folder: Path) -> Source:
    """A file that is never read to its end: a pipe that nobody writes to, put where a document was listed."""
    os.mkfifo(folder / "pipe.txt")
    return source(folder / "pipe.txt")


def children() -> list[int]:
    """Those that read files: other tests of this process may have servers of theirs."""
    me = str(os.getpid())
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            ours = b"loaders" in (stat.parent / "cmdline").read_bytes()
            if fields[1] == me and fields[0] != "Z" and ours:
                found.append(int(stat.parent.name))
    return found


@pytest.fixture
def reader():
    with Reader() as reader:
        yield reader


def test_a_pdf_becomes_one_document_a_page_that_knows_its_place(tmp_path, reader):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.pdf").write_bytes(
        pdf(lines(WORDS), b"", lines("More words on the third page."), labels="0 << /S /r >>")
    )
    [listed] = list_folder(tmp_path).sources
    reading = reader.read(listed)
    assert reading.problem is None
    assert [document.page_content for document in reading.documents] == [
        WORDS,
        "More words on the third page.",
    ]
    assert [document.metadata for document in reading.documents] == [
        {"file": "sub/a.pdf", "page": 1, "page_label": "i", "pages": 3},
        {"file": "sub/a.pdf", "page": 3, "page_label": "iii", "pages": 3},
    ]


def test_a_text_becomes_one_document_without_pages(tmp_path, reader):
    (tmp_path / "a.TXT").write_bytes("Día\r\nnoche 🚂".encode())
    [document] = reader.read(list_folder(tmp_path).sources[0]).documents
    assert (document.page_content, document.metadata) == ("Día\nnoche 🚂", {"file": "a.TXT"})


def test_a_name_that_is_not_utf_8_is_read_in_both_kinds(tmp_path, reader):
    for name in [b"caf\xe9.txt", b"caf\xe9.pdf"]:
        (tmp_path / os.fsdecode(name)).write_bytes(pdf(lines(WORDS)) if name.endswith(b"pdf") else b"words")
    readings = [reader.read(listed) for listed in list_folder(tmp_path).sources]
    assert [reading.problem for reading in readings] == [None, None]
    assert readings[1].documents[0].metadata == {"file": "caf\udce9.txt"}


def test_the_reader_works_from_any_folder_and_with_relative_paths(tmp_path, reader):
    good(tmp_path)
    with contextlib.chdir(tmp_path):
        assert reader.read(source(Path("good.pdf"))).documents[0].page_content == WORDS


def test_one_child_serves_many_files_and_is_gone_afterwards(tmp_path):
    before = children()
    with Reader() as reader:
        reader.read(good(tmp_path))
        [child] = set(children()).difference(before)
        reader.read(good(tmp_path))
        assert set(children()).difference(before) == {child}
    assert children() == before


def test_a_partly_read_file_gives_its_pages_and_its_problem(tmp_path, reader):
    (tmp_path / "a.pdf").write_bytes(pdf(lines(WORDS), IMAGE))
    reading = reader.read(source(tmp_path / "a.pdf"))
    assert len(reading.documents) == 1
    assert reading.problem == "page 2 holds only an image and was not read; run OCR first"


def test_a_file_over_the_limit_is_refused_unread(tmp_path, reader):
    with (tmp_path / "big.txt").open("wb") as file:
        file.truncate(312 * 10**6)
    before = children()
    reading = reader.read(list_folder(tmp_path).sources[0])
    assert (reading.documents, reading.problem) == ([], "312 MB is over the limit of 200 MB")
    assert children() == before


def test_a_pdf_of_hundreds_of_megabytes_under_the_limit_is_read(tmp_path, reader):
    (tmp_path / "big.pdf").write_bytes(pdf(lines(WORDS), padding=190_000_000))
    reading = reader.read(list_folder(tmp_path).sources[0])
    assert (reading.problem, reading.documents[0].page_content) == (None, WORDS)


def test_a_file_that_has_gone_is_a_problem(tmp_path, reader):
    assert reader.read(source(tmp_path / "a.txt")).problem == "cannot be opened: No such file or directory"


def test_a_file_that_hangs_is_left_out_and_the_next_is_read(tmp_path):
    with Reader(seconds=0.5) as reader:
        begun = time.monotonic()
        reading = reader.read(pipe(tmp_path))
        assert time.monotonic() - begun < 2
        assert (reading.documents, reading.problem) == (
            [], "took longer than 0.5 s to read, so it was left out"
        )  # fmt: skip
    with Reader(seconds=15) as reader:
        assert reader.read(good(tmp_path)).problem is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to find the child in")
@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (signal.SIGSEGV, "crashed the reader (Segmentation fault)"),
        (signal.SIGRTMIN + 6, "crashed the reader (Real-time signal 6)"),
        (signal.SIGABRT, "needs more than 512 MB, or crashed the reader"),
        (signal.SIGXCPU, "took longer than 15 s to read"),
    ],
)
def test_a_file_that_kills_the_reader_is_left_out_and_the_next_is_read(tmp_path, reader, cause, said):
    reader.read(good(tmp_path))
    [child] = children()
    Timer(0.2, os.kill, (child, cause)).start()
    assert reader.read(pipe(tmp_path)).problem == f"{said}, so it was left out"
    assert reader.read(good(tmp_path)).problem is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc to find the child in")
def test_a_child_that_dies_between_two_files_is_replaced(tmp_path, reader):
    reader.read(good(tmp_path))
    [child] = children()
    os.kill(child, signal.SIGKILL)
    time.sleep(0.2)
    assert reader.read(good(tmp_path)).problem is None


@pytest.mark.parametrize("megabytes", [5, 400])
def test_a_bomb_costs_at_most_its_share_of_time_and_memory(tmp_path, reader, megabytes):
    (tmp_path / "bomb.pdf").write_bytes(pdf(bomb(megabytes)))
    assert (tmp_path / "bomb.pdf").stat().st_size < 12_000
    begun = time.monotonic()
    reading = reader.read(source(tmp_path / "bomb.pdf"))
    assert time.monotonic() - begun < 20
    assert reading.documents == []
    assert reading.problem is not None
    assert reading.problem.endswith("so it was left out")
    assert reader.read(good(tmp_path)).problem is None


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no way to see the limits of another process")
def test_the_child_lives_under_the_limits_it_was_given(tmp_path):
    with Reader(seconds=7, memory_mb=300) as reader:
        reader.read(good(tmp_path))
        [child] = children()
        assert resource.prlimit(child, resource.RLIMIT_AS)[0] == 300 * 2**20
        assert resource.prlimit(child, resource.RLIMIT_CPU)[0] in {8, 9}
        assert resource.prlimit(child, resource.RLIMIT_CORE) == (0, 0)


def test_a_text_that_needs_too_much_memory_is_left_out(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"words " * 3_000_000)
    with Reader(memory_mb=48) as reader:
        assert reader.read(source(tmp_path / "a.txt")).problem == "needs more than 48 MB"


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        "null",
        '{"pages": 3}',
        '{"pages": [{"text": 7}], "pages_total": 1, "problem": null}',
        "[" * 10**5,
    ],
)
def test_an_answer_that_makes_no_sense_is_a_problem(tmp_path, answer):
    (tmp_path / "answer").write_text(answer + "\n")
    program = "import sys; input(); print(open(sys.argv[1]).read(), end='')"
    with Reader(start=lambda: Process("-c", program, str(tmp_path / "answer"))) as reader:
        assert reader.read(good(tmp_path)).problem == "made the reader answer nonsense, so it was left out"


def test_an_interrupted_reader_does_not_take_the_old_answer_for_the_new(tmp_path, reader):
    waiting = pipe(tmp_path)
    previous = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    with pytest.raises(KeyboardInterrupt):
        reader.read(waiting)
    signal.signal(signal.SIGUSR1, previous)
    assert reader.read(good(tmp_path)).documents[0].page_content == WORDS


def test_twenty_broken_files_among_good_ones_cost_only_themselves(tmp_path, reader):
    whole = pdf(lines(WORDS), lines("A second page for the cut ones."))
    broken = [
        b"", b"%PDF-", b"%PDF-1.7\n" + os.urandom(2000), pdf(), pdf(b""), pdf(IMAGE), encrypted(whole, "x"),
        b"\x89PNG\r\n\x1a\n", b"<html>", b"PK\x03\x04", b"\0" * 500, pdf(bomb(6)), b"%PDF-1.7 stream " * 9,
        pdf(*[b""] * 10_001), *(whole[:size] for size in (40, 200, 400, 600, 800, 1000)),
    ]  # fmt: skip
    assert len(broken) == 20
    for number, data in enumerate(broken):
        (tmp_path / f"{number:02}-broken.pdf").write_bytes(data)
        (tmp_path / f"{number:02}-good.pdf").write_bytes(whole)
    readings = {listed.name: reader.read(listed) for listed in list_folder(tmp_path).sources}
    assert len(readings) == 40
    for name, reading in readings.items():
        if "good" in name:
            assert (len(reading.documents), reading.problem) == (2, None)
        else:
            assert reading.documents == []
            assert reading.problem
