"""Whoever holds the embedded collection, everybody can use it; when the holder dies, another holds."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from errors import BadInput, Locked, PartMissing
from stores.holder import Shared
from tests.stores.turns import name, point

ROOT = Path(__file__).resolve().parents[2]
FACTS = {"schema": 1, "id": "a"}
HOLD = """
import sys, time
from pathlib import Path
from stores.holder import Shared
shared = Shared(Path(sys.argv[1]))
shared.count()
print("holding", flush=True)
sys.stdin.read()
shared.close()
"""


@pytest.fixture
def home(tmp_path):
    made = Shared(tmp_path / "c")
    made.create(FACTS, 3)
    made.upsert([point(1, [[1, 0, 0]])])
    made.close()
    return tmp_path / "c"


@pytest.fixture
def holder(home):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], cwd=ROOT, stdin=-1, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "holding\n"
    with process:
        yield process
        process.kill()


def test_a_second_process_works_through_the_holder(home, holder):
    shared = Shared(home)
    shared.upsert([point(2, [[0, 1, 0]])])
    assert shared.count() == 2
    assert [one for one, _ in shared.nearest([0, 1, 0], 1, {})] == [name(2)]
    assert shared.facts() == FACTS
    shared.close()
    assert json.loads((home / "holder").read_text())["pid"] == holder.pid


@pytest.mark.parametrize("end", [signal.SIGKILL, None])
def test_when_the_holder_ends_whoever_asks_next_takes_its_place(home, holder, end):
    shared = Shared(home)
    assert shared.count() == 1
    if end is None:
        holder.stdin.close()
        holder.wait()
    else:
        holder.send_signal(end)
        holder.wait()
    shared.upsert([point(2, [[0, 1, 0]])])
    assert shared.count() == 2
    assert json.loads((home / "holder").read_text())["pid"] == os.getpid()
    shared.close()
    assert not (home / "holder").exists()


def test_what_goes_wrong_at_the_holder_is_told_to_whoever_asked(tmp_path):
    first, second = Shared(tmp_path / "c"), Shared(tmp_path / "c")
    assert first.facts() is None
    with pytest.raises(PartMissing, match="make ingest"):
        second.count()
    first.close()
    second.close()


def test_only_the_operations_of_a_collection_are_answered(home, holder):
    with pytest.raises(AttributeError):
        Shared(home)._load()
    told = json.loads((home / "holder").read_text())
    with ExitStack() as stack, socket.socket(socket.AF_UNIX) as raw:
        raw.connect(told["socket"])
        stream = stack.enter_context(raw.makefile("rwb"))
        stream.write(b'{"operation": "close", "arguments": []}\n')
        stream.flush()
        assert json.loads(stream.readline())["failure"] == "StoreFailed"
        stream.write(b"no json\n")
        stream.flush()
        assert stream.readline() == b""
    shared = Shared(home)
    assert shared.count() == 1
    shared.close()


def test_only_the_same_user_can_reach_the_socket(home, holder):
    place = Path(json.loads((home / "holder").read_text())["socket"]).parent
    assert place.stat().st_mode & 0o077 == 0


def test_a_killed_holder_leaves_no_socket_behind_for_long(home, holder):
    place = Path(json.loads((home / "holder").read_text())["socket"]).parent
    holder.kill()
    holder.wait()
    assert place.exists()
    shared = Shared(home)
    shared.count()
    shared.close()
    assert not place.exists()


def test_a_holder_that_does_not_answer_is_named(home, holder):
    holder.send_signal(signal.SIGSTOP)
    shared = Shared(home, answer_seconds=2)
    with pytest.raises(Locked, match=str(holder.pid)):
        shared.count()
    holder.send_signal(signal.SIGCONT)
    assert shared.facts() == FACTS  # and not the late answer to the question before
    shared.close()


def test_many_threads_and_processes_at_once_lose_nothing(home, holder):
    shared = [Shared(home) for _ in range(3)]

    def write(which):
        for number in range(20):
            shared[which].upsert([point(100 * (which + 1) + number, [[1, 0, 0]])])

    threads = [threading.Thread(target=write, args=(which,)) for which in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    holder.stdin.close()  # it hands over in the middle
    for thread in threads:
        thread.join()
    assert shared[0].count() == 61
    for one in shared:
        one.close()


def test_what_was_written_outlives_a_kill_right_after(home):
    writing = (
        "import os, sys; from pathlib import Path; from stores.holder import Shared; "
        "from tests.stores.turns import point; shared = Shared(Path(sys.argv[1])); "
        "shared.upsert([point(7, [[0, 1, 0]])]); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", writing, str(home)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    shared = Shared(home)
    assert set(shared.ids({})) == {name(1), name(7)}
    shared.close()


def test_a_failure_keeps_its_kind(home, holder):
    shared = Shared(home)
    with pytest.raises(Exception, match="cannot be") as failure:
        shared.nearest([1, 0], 1, {})
    assert not isinstance(failure.value, BadInput)
    shared.close()
