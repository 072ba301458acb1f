"""Programs that are not ours may fail, hang, or say anything: each ends in time, and in a sentence."""

import sys
import time
from pathlib import Path

import pytest

from errors import PartMissing
from tests.training.docker_stand_in import Engine
from training.programs import Limits, NoAnswer, asked, occupied

SHORT = Limits(look=3, free=0.3, pause=0.05)
HANGING = """
import pathlib, subprocess, sys
with subprocess.Popen(["/bin/sleep", "60"]) as child:
    pathlib.Path(sys.argv[1]).write_text(str(child.pid))
"""


def python(program):
    return [sys.executable, "-IS", "-c", program]


def test_what_a_program_says_is_given_back():
    assert asked(python("print('yes')"), 20) == "yes\n"
    assert asked(python("import sys; sys.stdout.buffer.write(b'\\xff')"), 20) == "\ufffd"


def test_one_that_fails_is_told_with_the_first_line_of_its_complaint():
    with pytest.raises(PartMissing, match=r"failed: first\.$"):
        asked(python("import sys; sys.exit('\\n first.\\nsecond')"), 20)
    with pytest.raises(PartMissing, match=r"failed: exit status 4\.$"):
        asked(python("raise SystemExit(4)"), 20)
    with pytest.raises(PartMissing, match=r"^`no-such-program x` cannot be started: No such file"):
        asked(["no-such-program", "x"], 20)


def test_one_that_hangs_ends_with_all_that_it_started(tmp_path):
    began = time.monotonic()
    with pytest.raises(NoAnswer, match=r"did not end within 3 s\.$"):
        asked([*python(HANGING), str(tmp_path / "pid")], 3)
    assert time.monotonic() - began < 20
    time.sleep(0.2)
    started = Path(f"/proc/{(tmp_path / 'pid').read_text()}/cmdline")
    assert not started.exists() or started.read_bytes() == b""


def test_what_goes_on_in_the_background_is_not_waited_for():
    began = time.monotonic()
    program = "import subprocess; subprocess.Popen(['sleep', '30']); print('done')"
    assert asked(python(program), 20) == "done\n"
    assert time.monotonic() - began < 20


GPUS = {
    "free": ("print('300, 24564')", None),
    "one of two": ("print('20000, 24564'); print('3, 24564')", None),
    "full": ("print('20000, 24564')", "The GPU is not free (19.5 of 24.0 GB in use): "),
    "both full": ("print('20000, 24564'); print('9999, 24564')", "(19.5 of 24.0 GB, 9.8 of 24.0 GB in use)"),
    "not told": ("print('[N/A], [N/A]')", None),
    "nonsense": ("print('hello')", None),
    "no driver": ("raise SystemExit(9)", None),
    "none": ("", None),
}


@pytest.mark.parametrize("which", GPUS)
def test_the_gpu_must_be_free_where_that_is_told(tmp_path, monkeypatch, which):
    program, refusal = GPUS[which]
    Engine(tmp_path).put("nvidia-smi", program)
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = occupied(SHORT)
    assert reason is None if refusal is None else refusal in reason


RELEASING = """
import pathlib
looks = pathlib.Path(__file__).with_name("looks")
looks.write_text((looks.read_text() if looks.exists() else "") + "x")
print(29000 - 9000 * len(looks.read_text()), ", 24564")
"""


def test_its_memory_may_take_a_moment_to_become_free(tmp_path, monkeypatch):
    Engine(tmp_path).put("nvidia-smi", RELEASING)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert occupied(Limits(look=3, free=30, pause=0.05)) is None
    assert (tmp_path / "looks").read_text() == "xxx"
