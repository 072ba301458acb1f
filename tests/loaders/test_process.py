import json
import time

import pytest

from loaders.process import Process
from tests.pdfs import bomb, pdf


@pytest.fixture
def started():
    """Starts a process, and leaves none behind."""
    processes = []

    def start(*arguments):
        processes.append(Process(*arguments))
        return processes[-1]

    yield start
    for process in processes:
        process.stop()


def test_a_line_is_answered_by_a_line_and_the_next_by_the_next(started):
    process = started("-uc", "while True: print(input() * 2)")
    assert process.ask(b"ab\n", 5) == b"abab\n"
    assert process.ask(b"cd\n", 5) == b"cdcd\n"


def test_a_late_answer_is_not_waited_for(started):
    process = started("-c", "input(); import time; time.sleep(60)")
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        process.ask(b"\n", 0.3)
    assert process.stop() == -9
    assert time.monotonic() - begun < 2


def test_an_answer_that_never_ends_is_cut_off_by_time(started):
    process = started("-uc", "import time\nwhile True: print('x', end=''); time.sleep(0.01)")
    with pytest.raises(TimeoutError):
        process.ask(b"\n", 0.5)


def test_an_answer_that_never_ends_is_cut_off_by_size(started):
    process = started("-c", "import os\nwhile True: os.write(1, b'x' * 2**20)")
    with pytest.raises(EOFError):
        process.ask(b"\n", 60)


@pytest.mark.parametrize("program", ["", "input()", "print('half an answer', end='')"])
def test_the_death_of_the_child_is_told(started, program):
    process = started("-c", program)
    time.sleep(0.1)
    with pytest.raises(EOFError):
        process.ask(b"\n", 5)
    assert process.stop(1) == 0


def test_the_child_knows_nothing_of_our_environment(started, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    process = started("-c", "input(); import os; print(*os.environ)")
    assert set(process.ask(b"\n", 5).split()) <= {
        b"PYTHONUTF8",
        b"LC_CTYPE",
    }  # Python may set the second itself


def test_the_child_ends_by_itself_when_it_is_no_longer_asked(started):
    assert started().stop(5) == 0


def test_what_a_library_prints_does_not_get_between_the_answers(started, tmp_path):
    (tmp_path / "a.txt").write_text("Some words")
    noisy = "import loaders.child, os, sys\n"
    noisy += "sys.addaudithook(lambda event, about: str(about).find('a.txt') > 0 and os.write(1, b'noise'))\n"
    noisy += "loaders.child.main()"
    answer = started("-c", noisy).ask(_question(tmp_path / "a.txt"), 10)
    assert json.loads(answer)["pages"] == [{"text": "Some words", "number": 1, "label": ""}]


def test_the_child_dies_of_its_own_limit_when_nobody_stops_it(started, tmp_path):
    (tmp_path / "slow.pdf").write_bytes(pdf(bomb(30)))
    process = started()
    with pytest.raises(EOFError):
        process.ask(_question(tmp_path / "slow.pdf", memory_mb=4000, seconds=0), 60)
    assert process.stop(1) == -24  # SIGXCPU


def _question(path, memory_mb=512, seconds=15):
    return json.dumps({"path": str(path), "memory_mb": memory_mb, "seconds": seconds}).encode() + b"\n"
