"""Nothing is deleted without a flag, and never more than a tenth; two at once lose nothing."""

import os
import subprocess

import pytest

from bucket.files import Home
from bucket.known import Known
from bucket.pull import pull
from bucket.push import push
from errors import BadInput, Locked
from stores.lock import held
from tests.bucket.trees import LOGS, OURS, tree, write


def test_nothing_is_deleted_without_a_flag(bucket, there, one, other):
    write(one, LOGS)
    push(one, bucket)
    pull(other, bucket)
    before = there.stored()
    (one.root / "logs/s1/messages.jsonl").unlink()
    write(one, {"logs/s2/messages.jsonl": "another"})
    assert push(one, bucket)["deleted"] == 0
    assert set(before) < set(there.stored())
    assert pull(other, bucket)["deleted"] == 0
    assert tree(other).keys() == LOGS.keys()


def test_with_the_flag_what_is_not_here_goes_and_its_content_too(bucket, there, one, other):
    write(one, LOGS)
    push(one, bucket)
    pull(other, bucket)
    write(other, {"logs/mine.jsonl": "never pushed"})
    (one.root / "logs/s1/messages.jsonl").unlink()
    write(one, {"logs/s2/messages.jsonl": "another"})
    assert push(one, bucket, delete=True, dry_run=True)["deleted"] == 1
    assert push(one, bucket, delete=True)["deleted"] == 1
    assert len(there.stored()) == 11 + 1
    assert pull(other, bucket, delete=True)["deleted"] == 1
    assert tree(other) == tree(one) | {"logs/mine.jsonl": b"never pushed"}


@pytest.mark.parametrize("count", [2, 12])
def test_more_than_a_tenth_is_never_deleted(there, one, other, count):
    write(one, LOGS)
    push(one, there.bucket)
    pull(other, there.bucket)
    for path in list(LOGS)[:count]:
        (one.root / path).unlink()
    before = there.stored(), tree(other)
    with pytest.raises(BadInput, match=f"{count} of the 12 files"):
        push(one, there.bucket, delete=True)
    there.manifest(lambda told: told["files"].__delitem__(slice(count)))
    with pytest.raises(BadInput, match=f"{count} of the 12 files"):
        pull(other, there.bucket, delete=True)
    assert (there.stored(), tree(other)) == before


def test_with_the_flag_a_push_takes_out_entries_that_nobody_can_use(bucket, there, one):
    write(one, LOGS)
    push(one, bucket)
    there.plant("../x", b"x")
    assert push(one, bucket)["deleted"] == 0
    assert push(one, bucket, delete=True)["deleted"] == 1
    assert push(one, bucket)["problems"] == []


def test_a_folder_that_cannot_be_opened_does_not_look_deleted(bucket, one):
    write(one, LOGS)
    push(one, bucket)
    shut = one.root / "logs/s1"
    if os.geteuid() == 0:
        pytest.skip("root opens every folder")
    shut.chmod(0)
    try:
        facts = push(one, bucket, delete=True)
    finally:
        shut.chmod(0o700)
    assert facts["deleted"] == 0
    assert any("nothing was deleted" in row["reason"] for row in facts["problems"])


def test_of_two_pushes_at_once_one_is_told_and_nothing_is_lost(bucket, there, one, other):
    write(one, LOGS)
    write(other, {"logs/other.jsonl": "1"})

    def meanwhile(what, done, total):
        if what == "sending" and done == 0 and not (other.own / "state.json").exists():
            push(other, bucket)

    with pytest.raises(Locked, match="run it again"):
        push(one, bucket, say=meanwhile)
    assert len(there.manifest()["files"]) == 1
    push(one, bucket)
    assert len(there.manifest()["files"]) == 13


def test_a_push_that_is_beaten_sends_nothing_twice(bucket, there, one, other):
    write(one, LOGS)
    write(other, {"logs/other.jsonl": "1"})
    push(other, bucket)
    write(other, {"logs/other.jsonl": "2"})

    def meanwhile(what, done, total):
        if what == "sending" and done == 11 and not pushed:
            names.append(Known.load(one.own / "state.json", bucket.uri).push)
            pushed.append(push(other, bucket))

    pushed, names = [], []
    with pytest.raises(Locked):
        push(one, bucket, say=meanwhile)
    # The manifest was about to be written, so another machine may sweep: what was sent is not leant on.
    assert Known.load(one.own / "state.json", bucket.uri).push not in names
    assert push(one, bucket)["pushed"] == 12
    for row in there.manifest()["files"]:
        assert there.key(row) in there.stored()


def test_two_copies_of_a_data_dir_write_no_object_of_each_other(bucket, one, tmp_path):
    write(one, LOGS)
    push(one, bucket)
    subprocess.run(["/bin/cp", "-a", one.root, tmp_path / "copy"], check=True)
    copy = Home(tmp_path / "copy", OURS)

    mine, copied = (Known.load(place.own / "state.json", bucket.uri) for place in (one, copy))
    assert mine.synced == copied.synced
    assert mine.push != copied.push


def test_one_sync_of_a_data_dir_at_a_time(bucket, one):

    with held(one.own / "lock"), pytest.raises(Locked):
        push(one, bucket)
