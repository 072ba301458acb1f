"""Who is right about a file that is here and there: nothing is lost, whoever changed what."""

import hashlib
import json
import os

import pytest

from bucket.pull import pull
from bucket.push import push
from stores.forgotten import Forgotten
from tests.bucket.trees import LOGS, both_have, tree, write


def settled(bucket, *homes):
    """What everybody has once everybody has pulled, pushed and pulled."""
    for _ in range(2):
        for place in homes:
            assert pull(place, bucket)["problems"] == []
            assert push(place, bucket)["problems"] == []
    first, *rest = (tree(place) for place in homes)
    assert all(found == first for found in rest)
    return {path: body.decode() for path, body in first.items()}


@pytest.mark.parametrize("longer_first", [True, False])
def test_of_a_log_that_grew_the_longer_one_wins(bucket, one, other, longer_first):
    both_have(bucket, one, other, "1\n")
    write(one, {"logs/a.jsonl": "1\n2\n3\n" if longer_first else "1\n2\n"})
    write(other, {"logs/a.jsonl": "1\n2\n" if longer_first else "1\n2\n3\n"})
    push(one, bucket)
    push(other, bucket)
    assert settled(bucket, one, other) == {"logs/a.jsonl": "1\n2\n3\n"}


def test_a_log_that_was_cut_off_here_does_not_replace_the_whole_one(bucket, one, other):
    both_have(bucket, one, other, "1\n2\n")
    write(other, {"logs/a.jsonl": ""})
    assert push(other, bucket)["pushed"] == 0
    assert settled(bucket, one, other) == {"logs/a.jsonl": "1\n2\n"}


def test_what_only_one_machine_changed_is_simply_new(bucket, one, other):
    both_have(bucket, one, other, "old")
    write(other, {"logs/a.jsonl": "new"})
    assert push(other, bucket)["pushed"] == 1
    assert pull(one, bucket)["pulled"] == 1
    assert settled(bucket, one, other) == {"logs/a.jsonl": "new"}


@pytest.mark.parametrize("pushed_first", [True, False])
def test_what_both_changed_is_kept_twice(bucket, one, other, pushed_first):
    both_have(bucket, one, other, "old")
    write(one, {"logs/a.jsonl": "here"})
    write(other, {"logs/a.jsonl": "there"})
    push(one, bucket)
    if pushed_first:
        push(other, bucket)
    beside = f"logs/a.conflict-{hashlib.sha256(b'there').hexdigest()[:12]}.jsonl"
    assert settled(bucket, other, one) == {"logs/a.jsonl": "here", beside: "there"}


def test_what_was_forgotten_anywhere_is_forgotten_everywhere(bucket, one, other):
    for number, place in enumerate((one, other)):
        for path in ("forgotten.jsonl", "owners/ben/forgotten.jsonl"):
            Forgotten(place.root / "memory" / path).add([("session", f"s{number}"), ("identity", "both")])
    push(one, bucket)
    pull(other, bucket)
    settled_lists = settled_forgotten(bucket, one, other)
    assert all(found == {"s0", "s1"} for found in settled_lists)


def settled_forgotten(bucket, *homes):
    for place in (*homes, *homes):
        assert push(place, bucket)["problems"] == []
        assert pull(place, bucket)["problems"] == []
    for place in homes:
        for path in ("forgotten.jsonl", "owners/ben/forgotten.jsonl"):
            text = (place.root / "memory" / path).read_text()
            assert len(text.splitlines()) == 3
            yield {json.loads(line)["session"] for line in text.splitlines() if "session" in line}


def test_a_forgotten_line_survives_a_push_of_a_machine_that_never_knew_it(bucket, one, other):
    write(one, {"memory/forgotten.jsonl": '{"session": "a"}\n'})
    write(other, {"memory/forgotten.jsonl": '{"project": "p"}\n{"session": "cut o'})
    push(one, bucket)
    push(other, bucket, delete=True)
    pull(other, bucket)
    forgotten = Forgotten(other.root / "memory/forgotten.jsonl")
    assert forgotten.holds([], ["a"], None)
    assert forgotten.holds([], [], "p")


def test_strange_lines_of_the_forgotten_do_not_reach_the_memory(bucket, there, one, other):
    write(one, {"memory/forgotten.jsonl": '{"session": "a"}\n'})
    push(one, bucket)
    raw = b'{"session": ["x"]}\n[1]\n\xff\xfe\nnull\n{"other": "x"}\n{"session": "b", "other": {}}\n'
    there.plant("memory/forgotten.jsonl", raw)
    assert pull(other, bucket)["problems"] == []
    assert tree(other) == {"memory/forgotten.jsonl": b'{"session": "b"}\n'}


def test_a_file_that_changes_while_it_is_sent_is_named(bucket, there, one):
    write(one, LOGS)

    def meanwhile(what, done, total):
        if what == "sending" and done == 3:
            write(one, {sorted(LOGS)[3]: '{"role": "user", "n": X}\n'})

    facts = push(one, bucket, say=meanwhile)
    assert [row["file"] for row in facts["problems"]] == [sorted(LOGS)[3]]
    assert len(there.stored()) == 12
    assert push(one, bucket)["pushed"] == 1


def test_a_file_that_grows_while_it_is_sent_is_whole_up_to_where_it_was(bucket, one, other):
    write(one, LOGS)
    path = sorted(LOGS)[3]

    def meanwhile(what, done, total):
        if what == "sending" and done == 3:
            write(one, {path: LOGS[path] + "more\n"})

    assert push(one, bucket, say=meanwhile)["problems"] == []
    pull(other, bucket)
    assert (other.root / path).read_text() == LOGS[path]


def test_a_file_that_changes_here_while_another_is_fetched_is_not_replaced(bucket, one, other):
    both_have(bucket, one, other, "old")
    write(one, {"logs/a.jsonl": "new"})
    push(one, bucket)

    def meanwhile(what, done, total):
        if what == "fetching":
            write(other, {"logs/a.jsonl": "mine, just now"})

    facts = pull(other, bucket, say=meanwhile)
    assert "changed here" in facts["problems"][0]["reason"]
    assert (other.root / "logs/a.jsonl").read_text() == "mine, just now"


def test_what_a_killed_pull_left_is_cleared_away(bucket, one, other):
    both_have(bucket, one, other, "old")
    write(one, {"logs/a.jsonl": "new", "adapters/a/training.json": "{}"})
    push(one, bucket)
    for path in ("logs/a.jsonl", "adapters/a/training.json"):
        folder, _, _ = path.rpartition("/")
        write(other, {f"{folder}/.bucket-{hashlib.sha256(path.encode()).hexdigest()[:16]}.tmp": "half"})
    assert pull(other, bucket)["problems"] == []
    assert tree(other) == tree(one)


def test_a_pull_that_was_killed_between_keeping_and_replacing_goes_on(bucket, one, other):
    both_have(bucket, one, other, "old")
    write(one, {"logs/a.jsonl": "here"})
    write(other, {"logs/a.jsonl": "there"})
    push(one, bucket)
    beside = f"logs/a.conflict-{hashlib.sha256(b'there').hexdigest()[:12]}.jsonl"
    os.link(other.root / "logs/a.jsonl", other.root / beside)
    assert pull(other, bucket)["problems"] == []
    assert tree(other) == {"logs/a.jsonl": b"here", beside: b"there"}
