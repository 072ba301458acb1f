"""`kill -9` at any moment of push and pull: a second run ends where an undisturbed one does.

The suite kills ten times; BUCKET_KILLS=100 is the slow proof.
"""

import hashlib
import json
import os
import random
import signal

import pytest

from bucket.pull import pull
from bucket.push import push
from tests.bucket.process import run_sync
from tests.bucket.trees import tree, write

KILLS = int(os.environ.get("BUCKET_KILLS", "10"))


def state(number):
    """A tree of round `number`; in some of them a content goes in parts."""
    files = {f"logs/s{file}/messages.jsonl": f"{file}\n" * (file + 1) + f"R{number}\n" for file in range(20)}
    return files | {
        "adapters/a/weights.bin": f"R{number}\n" * (6_000_000 if number % 5 == 1 else 1000),
        "memory/forgotten.jsonl": forgot(number),
    }


def forgot(number):
    return "".join(json.dumps({"session": f"s{one}"}) + "\n" for one in range(number + 1))


def steps(run):
    """How many moments an undisturbed run has at which it can be killed."""
    out, told = run.communicate(timeout=100)
    assert run.returncode == 0, told
    return int(out.split()[0])


@pytest.mark.timeout(KILLS * 30 + 120)
def test_killed_at_any_moment_a_second_run_ends_where_an_undisturbed_one_does(server, there, one, other):
    chance, killed, halves = random.Random(1), {"push": 0, "pull": 0}, 0
    write(one, state(0))
    access = server.access(there.uri)
    many = {"push": steps(run_sync("push", one, access)), "pull": steps(run_sync("pull", other, access))}
    for number in range(1, KILLS + 1):
        what = ("push", "pull")[number % 2]
        before = there.manifest(), tree(other)
        write(one, state(number))
        if what == "pull":
            assert push(one, there.bucket)["problems"] == []
        place = one if what == "push" else other
        flag = " --delete" * (number % 3 == 0)
        with run_sync(what + flag, place, access, step=chance.randint(1, many[what])) as run:
            run.communicate(timeout=100)
        killed[what] += run.returncode == -signal.SIGKILL
        whole(there, before[0], tree(one))
        seen = tree(other)
        for path in seen.keys() - before[1].keys():
            assert path.endswith(".tmp")
            halves += 1
        for path in before[1].keys() - {"memory/forgotten.jsonl"}:
            assert seen[path] in (before[1][path], tree(one)[path]), path
        assert push(one, there.bucket)["problems"] == []
        assert pull(other, there.bucket)["problems"] == []
        assert tree(other) == tree(one) == {path: body.encode() for path, body in state(number).items()}
    print(
        f"{killed['push']} pushes and {killed['pull']} pulls of {KILLS} were killed, of {many} moments each; "
        f"{halves} files were half there under a temporary name"
    )
    assert sum(killed.values()) >= KILLS * 0.6
    assert not list(other.root.rglob("*.tmp"))


def whole(there, before, files):
    """The manifest is the old one or the new one, and all that it names is there."""
    told = there.manifest()
    have = set(there.stored())
    assert {there.key(row) for row in told["files"]} <= have
    new = {row["path"]: row["sha256"] for row in told["files"]}
    wanted = {path: hashlib.sha256(body).hexdigest() for path, body in files.items()}
    assert told == before or new == wanted
