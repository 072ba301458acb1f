"""What a person cannot make again travels to another machine, and only what changed."""

import json
import os

import pytest

from bucket.pull import pull
from bucket.push import push
from tests.bucket.trees import LOGS, MORE, tree, write


def test_what_a_person_cannot_make_again_comes_to_another_machine(bucket, one, other):
    write(one, LOGS | MORE | {"memory/forgotten.jsonl": '{"session": "a"}\n'})
    write(one, dict.fromkeys(LEFT_OUT, "not this"))
    sent = push(one, bucket)
    assert (sent["pushed"], sent["unchanged"], sent["deleted"], sent["problems"]) == (15, 0, 0, [])
    got = pull(other, bucket)
    assert (got["pulled"], got["unchanged"], got["deleted"], got["problems"]) == (15, 0, 0, [])
    assert tree(other) == {path: body for path, body in tree(one).items() if path not in LEFT_OUT}
    assert got["forgotten"] == {"memory/forgotten.jsonl": ['{"session": "a"}']}
    for file in other.root.rglob("*"):
        assert not file.stat().st_mode & 0o077 or file.parent == other.own, file


LEFT_OUT = [
    "models/weights.bin", "documents/x/1/manifest.json", "memory/conversations/facts.json", "proxy/sticky.db",
    "memory/conversations.ledger", "memory/lock", "training/gpu.json", "chat_history", "logs/x.tmp",
    "logs/.env",
    "adapters/.partial-second/adapter_config.json", "logs/node_modules/a.json", "threads.sqlite-wal",
    "logs/.git/config", "memory/owners/ana/lock", "adapters/loose.txt",
]  # fmt: skip


def test_a_second_run_sends_and_fetches_nothing(bucket, there, one, other):
    write(one, LOGS)
    push(one, bucket)
    before = there.stored()
    again = push(one, bucket)
    assert (again["pushed"], again["unchanged"], again["bytes"]) == (0, 12, 0)
    pull(other, bucket)
    again = pull(other, bucket)
    assert (again["pulled"], again["unchanged"], again["bytes"]) == (0, 12, 0)
    assert there.stored() == before


def test_only_what_changed_travels_and_equal_contents_once(bucket, one):
    write(one, LOGS)
    push(one, bucket)
    write(one, {"logs/s3/messages.jsonl": "changed\n", "logs/copy.jsonl": LOGS["logs/s1/messages.jsonl"]})
    again = push(one, bucket)
    assert (again["pushed"], again["unchanged"], again["bytes"]) == (2, 11, len("changed\n"))


def test_an_unchanged_file_is_not_read_again(bucket, one):
    write(one, LOGS)
    for path in LOGS:
        os.utime(one.root / path, (1e9, 1e9))
    push(one, bucket)
    told = json.loads((one.own / "state.json").read_text())
    assert len(told["sums"]) == 12
    # What was remembered is believed: a wrong sum is what is looked up.
    path = "logs/s1/messages.jsonl"
    told["sums"][path][1] = "0" * 64
    (one.own / "state.json").write_text(json.dumps(told))
    assert [row["file"] for row in push(one, bucket)["problems"]] == [path]


def test_a_large_file_travels_in_parts(bucket, one, other):
    write(one, {"adapters/a/weights.safetensors": os.urandom(40 << 20)})
    push(one, bucket)
    pull(other, bucket)
    assert tree(other) == tree(one)


def test_a_dry_run_changes_nothing(bucket, there, one, other):
    write(one, LOGS)
    assert push(one, bucket, dry_run=True)["pushed"] == 12
    assert there.stored() == []
    push(one, bucket)
    assert pull(other, bucket, dry_run=True)["pulled"] == 12
    assert tree(other) == {}
    assert not (other.own / "state.json").exists()


def test_what_a_push_sent_before_it_was_broken_off_does_not_travel_again(bucket, one):
    write(one, LOGS)

    def broken_off(what, done, total):
        if what == "sending" and done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(one, bucket, say=broken_off)
    again = push(one, bucket)
    left = sorted(LOGS)[9:]
    assert (again["pushed"], again["bytes"]) == (12, sum(len(LOGS[path]) for path in left))
