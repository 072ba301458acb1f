"""The file that remembers what turns were given: one for several processes, bounded, and it forgets."""

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from proxy.serve import STICKY
from proxy.sticky import PRUNE_EVERY, Given, Sticky

ROOT = Path(__file__).resolve().parents[2]


def aged(home, seconds, *, used=False):
    """Let so much time have passed since everything was remembered."""
    with closing(sqlite3.connect(home / STICKY, isolation_level=None)) as base:
        base.execute("update given set made = made - ?", (seconds,))
        if used:
            base.execute("update given set used = used - ?", (seconds,))


@pytest.fixture
def sticky(tmp_path):
    with closing(Sticky(tmp_path / "sticky.db")) as opened:
        yield opened


def test_what_is_kept_comes_back_with_its_session(sticky):
    given = sticky.remember("k", "s", Given("block", ("m1", "m2")))
    assert (given.block, given.memories, given.session) == ("block", ("m1", "m2"), "s")
    assert sticky.known({3: "k", 5: "other"}, "s") == {3: given}
    assert sticky.known({3: "k"}, "new session") == {3: given}
    assert sticky.known({}, "s") == {}


@pytest.mark.parametrize("memories", [("m1", "m2"), ()])
def test_a_block_that_was_kept_before_its_turns_were_is_put_back_all_the_same(sticky, tmp_path, memories):
    sticky.remember("k", "s", Given("block", memories))
    with closing(sqlite3.connect(tmp_path / "sticky.db", isolation_level=None)) as base:
        base.execute("update given set memories = ?", (json.dumps(memories),))
    (given,) = sticky.known({3: "k"}, "s").values()
    assert (given.block, given.memories, given.turns) == ("block", memories, memories)


def test_whoever_came_first_wins_unless_what_is_known_is_older(sticky):
    first = sticky.remember("k", "s", Given("first"))
    assert sticky.remember("k", "s", Given("second")).block == "first"
    third = sticky.remember("k", "s", Given("third"), over=first.made)
    assert third.block == "third"
    assert sticky.remember("k", "s", Given("fourth"), over=first.made).block == "third"
    assert sticky.remember("k", "t", Given("fifth")).block == "fifth"


def test_a_conversation_of_thousands_of_turns_is_known(sticky):
    for number in range(1203):
        sticky.remember(f"k{number}", "s", Given(f"b{number}"))
    found = sticky.known({number: f"k{number}" for number in range(1203)}, "s")
    assert [given.block for given in found.values()] == [f"b{number}" for number in range(1203)]


def test_it_holds_so_many_turns_and_prunes_those_not_used_for_longest(tmp_path):
    with closing(Sticky(tmp_path / STICKY, most_turns=300)) as sticky:
        for number in range(300):
            sticky.remember(f"old {number}", "s", Given("block"))
        aged(tmp_path, 7200, used=True)
        used = {index: f"old {index}" for index in range(50)}
        assert len(sticky.known(used, "s")) == 50
        for number in range(250):
            sticky.remember(f"new {number}", "s", Given("block"))
        with closing(sqlite3.connect(tmp_path / STICKY)) as base:
            kept = {key for (key,) in base.execute("select key from given")}
    assert kept >= {*used.values(), *(f"new {number}" for number in range(250))}
    assert 300 <= len(kept) < 300 + PRUNE_EVERY


@pytest.mark.parametrize(
    "content", [b"", b"not a database", bytes(100_000), b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_file_only_costs_what_it_held(tmp_path, content):
    (tmp_path / STICKY).write_bytes(content)
    with closing(Sticky(tmp_path / STICKY)) as sticky:
        assert sticky.known({0: "k"}, "s") == {}
        assert sticky.remember("k", "s", Given("block")).block == "block"
    with closing(Sticky(tmp_path / STICKY)) as sticky:
        assert sticky.known({0: "k"}, "s")[0].block == "block"


def test_forgetting_removes_the_blocks_and_their_text_from_the_disk(tmp_path):
    with closing(Sticky(tmp_path / STICKY)) as sticky:
        sticky.remember("a", "s", Given("a plover nests here", ("m1", "m2")))
        sticky.remember("b", "s", Given("a lapwing nests here", ("m3",)))
        assert sticky.forget(["m2", "unknown"]) == 1
        assert set(sticky.known({0: "a", 1: "b"}, "s")) == {1}
        on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        assert b"plover" not in on_disk
        assert b"lapwing" in on_disk


def test_a_turn_that_is_told_beside_another_one_is_forgotten_too(tmp_path):
    with closing(Sticky(tmp_path / STICKY)) as sticky:
        sticky.remember("a", "s", Given("a block", ("best",), turns=("best", "beside")))
        assert sticky.known({0: "a"}, "s")[0].turns == ("best", "beside")
        assert sticky.forget(["beside"]) == 1
        assert sticky.known({0: "a"}, "s") == {}


EIGHT = """
import sys
from pathlib import Path
from errors import StoreFailed
from proxy.sticky import Given, Sticky

def patiently(operation, *given):  # a request that cannot wait goes without
    while True:
        try:
            return operation(*given)
        except StoreFailed:
            pass

sticky = Sticky(Path(sys.argv[1]))
sys.stdin.readline()
for number in range(200):
    kept = patiently(sticky.remember, f"turn {number}", "s", Given(f"{sys.argv[2]} {number}"))
    known = patiently(sticky.known, {0: f"turn {number}"}, "s")[0]
    print(kept.block, known.block, sep=",")
print(sticky.lasting)
"""


def test_eight_processes_on_one_file_give_every_turn_one_block(tmp_path):
    command = [sys.executable, "-c", EIGHT, str(tmp_path / STICKY)]
    started = [
        subprocess.Popen(
            [*command, str(number)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for number in range(8)
    ]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda process: process.communicate("go\n", 60)[0].splitlines(), started))
    assert {tuple(lines) for lines in told} == {tuple(told[0])}
    assert len(told[0]) == 201
    assert told[0][-1] == "None"
    assert all(line.split(",")[0] == line.split(",")[1] for line in told[0][:-1])
