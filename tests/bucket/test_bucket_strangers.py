"""A manifest and objects that a stranger wrote: refused by name, and everything else comes."""

import json
from uuid import uuid4

import pytest

from bucket.names import refused
from bucket.pull import pull
from bucket.push import push
from bucket.server import Bucket
from tests.bucket.trees import LOGS, MORE, OURS, There, home, tree, write

HOSTILE = [
    "/etc/passwd", "//host/share/x", "\\\\host\\share\\x", "C:/x", "c:x", "logs/C:/x", "../x",
    "logs/../../x", "..",
    ".", "./x", "logs/./x", "logs//x", "logs/", "/", "", "logs/..", "..\\x", "logs\\..\\x", "logs\\x",
    "x\0y", "\0",
    "logs/\nx", "logs/\rx", "logs/\x1b[2Jx", "logs/\x7fx", "logs/\u202ex", "logs/\u2066x", "logs/\ufeffx",
    "logs/\u2028x", "logs/\ud800x", "logs/x.", "logs/x ", "logs /x", "models./x", "logs/.. /x", "logs/ x",
    "a" * 201,
    "a/" * 600 + "x", "é" * 150, "models/x", "Models/x", "MODELS/x", "ｍｏｄｅｌｓ/x", "models",
    "documents/a/CURRENT",
    "proxy/sticky.db", "proxy/x", "training/gpu.json", "bucket/state.json", "Bucket/lock", "memory/lock",
    "memory", "memory/conversations/facts.json", "memory/forgotten.jsonl/x", "Memory/forgotten.jsonl",
    "memory/owners/../forgotten.jsonl", "memory/owners/a b/forgotten.jsonl", "memory/forgotten.json",
    "chat_history",
    "logs/x.tmp", "logs/.bucket-00.tmp", "logs/lock", "logs/.git/config", "logs/.env", ".bashrc", "adapters",
    "adapters/x", "adapters/partial-a/x", "logs/a.sqlite", "x.db-wal",
    None, 7, True, ["logs/x"], {"a": 1},
]  # fmt: skip


def test_hostile_keys_are_many():
    assert len(HOSTILE) >= 60


@pytest.fixture(scope="module")
def planted(server, client, tmp_path_factory):
    """A bucket whose manifest has one good row among all the hostile ones, pulled once."""
    name = f"b-{uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    root = tmp_path_factory.mktemp("planted")
    with Bucket.at(server.access(f"s3://{name}/ana")) as bucket:
        there = There(bucket, client)
        place = home(root / "from")
        write(place, {"logs/good.jsonl": "good"})
        push(place, bucket)
        (row,) = there.manifest()["files"]
        there.manifest(lambda told: told["files"].extend(row | {"path": path} for path in HOSTILE))
        into = home(root / "into")
        return pull(into, bucket), root, into, push(place, bucket), there.manifest()


@pytest.mark.parametrize("number", range(len(HOSTILE)), ids=lambda number: ascii(HOSTILE[number])[:40])
def test_a_hostile_key_is_refused(number):
    assert refused(HOSTILE[number], OURS)


def test_hostile_keys_write_nothing_and_stop_nothing(planted):
    facts, root, into, again, told = planted
    assert len(facts["problems"]) == len(HOSTILE)
    assert all(row["reason"].startswith("refused: ") for row in facts["problems"])
    assert json.dumps(facts["problems"]).isascii()
    assert facts["pulled"] == 1
    assert tree(into) == {"logs/good.jsonl": b"good"}
    assert {path.name for path in root.iterdir()} == {"from", "into"}
    # A push leaves the rows that it does not understand where they are.
    assert (again["pushed"], len(told["files"])) == (0, len(HOSTILE) + 1)


@pytest.mark.parametrize(
    "path",
    [*LOGS, *MORE, "a.jsonl", "logs/2026-11-22T10:00:01.jsonl", "logs/ñandú/消息.jsonl", "logs/👩‍💻.json",
     "models.jsonl",
     "memory/forgotten.jsonl", "memory/owners/ana-1/forgotten.jsonl", "logs/.vibe/x.json", "logs/models/x"],
)  # fmt: skip
def test_an_ordinary_name_is_not_refused(path):
    assert refused(path, OURS) is None


@pytest.mark.parametrize(
    "wrong",
    [{"size": -1}, {"size": 1 << 60}, {"size": True}, {"size": "1"}, {"size": None}, {"sha256": "x" * 64},
     {"sha256": "../" + "0" * 61}, {"sha256": 1}, {"mtime_ns": -1}, {"mtime_ns": 1 << 70}, {"mtime_ns": 1.5},
     {"push": "../../other"}, {"push": ""}, {"push": None}],
)  # fmt: skip
def test_a_damaged_entry_is_refused_and_the_others_come(there, one, other, wrong):
    write(one, LOGS)
    push(one, there.bucket)
    there.plant("logs/bad.jsonl", b"x", **wrong)
    facts = pull(other, there.bucket)
    assert [row["file"] for row in facts["problems"]] == ["logs/bad.jsonl"]
    assert tree(other).keys() == LOGS.keys()


@pytest.mark.parametrize("content", [b"", b"no", b"wrong content", b"right con", b"right content and more"])
def test_a_damaged_object_is_named_and_never_seen(there, one, other, content):
    write(one, LOGS | {"logs/a.jsonl": "right content"})
    push(one, there.bucket)
    (row,) = (row for row in there.manifest()["files"] if row["path"] == "logs/a.jsonl")
    there.put(there.key(row), content)
    facts = pull(other, there.bucket)
    whole = content.startswith(b"right content")  # what lies behind its size is never asked for
    assert [row["file"] for row in facts["problems"]] == ([] if whole else ["logs/a.jsonl"])
    assert tree(other).keys() == LOGS.keys() | ({"logs/a.jsonl"} if whole else set())


def test_a_missing_object_is_named(bucket, there, one, other):
    write(one, LOGS)
    push(one, bucket)
    row = there.manifest()["files"][0]
    there.remove(there.key(row))
    facts = pull(other, bucket)
    assert [row["reason"] for row in facts["problems"]] == [
        "not pulled: it is not in the bucket any more: run it again"
    ]
    assert facts["pulled"] == 11


@pytest.mark.parametrize(
    ("second", "named"),
    [("LOGS/A.jsonl", "logs/a.jsonl"), ("logs/a.jsonl", "logs/a.jsonl"), ("logs/a.jsonl/b", "logs/a.jsonl")],
)
def test_names_that_clash_are_refused(there, one, other, second, named):
    write(one, LOGS | {"logs/a.jsonl": "first"})
    push(one, there.bucket)
    (row,) = (row for row in there.manifest()["files"] if row["path"] == "logs/a.jsonl")
    there.manifest(lambda told: told["files"].append(row | {"path": second}))
    facts = pull(other, there.bucket)
    assert [row["file"] for row in facts["problems"]] == [named]
    assert facts["pulled"] >= 12


def test_no_link_is_followed(bucket, one, other, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.jsonl").write_text("untouched")
    write(one, {"logs/a.jsonl": "1", "linked/b.jsonl": "2", "file/c.jsonl": "3", "logs/d.jsonl": "4"})
    push(one, bucket)
    (other.root / "linked").symlink_to(outside)  # where no b.jsonl lies
    (other.root / "logs").mkdir()
    (other.root / "logs/a.jsonl").symlink_to(outside / "a.jsonl")
    (other.root / "file").write_text("a file where a folder should be")
    facts = pull(other, bucket)
    assert {row["file"]: row["reason"].partition(": ")[2] for row in facts["problems"]} == {
        "logs/a.jsonl": "a link or a folder is in its place",
        "linked/b.jsonl": "a link or a file is where a folder should be",
        "file/c.jsonl": "a link or a file is where a folder should be",
    }
    assert (other.root / "logs/d.jsonl").read_text() == "4"
    assert [file.read_text() for file in outside.iterdir()] == ["untouched"]
    (one.root / "logs/secret.jsonl").symlink_to("/etc/passwd")
    assert push(one, bucket)["pushed"] == 0


@pytest.mark.parametrize("path", ["logs/a.jsonl", "memory/forgotten.jsonl"])
@pytest.mark.parametrize("content", [None, b"cut"])
def test_a_content_that_was_lost_is_sent_again_by_who_has_it(there, one, other, path, content):
    write(one, LOGS | {path: '{"session": "a"}\n'})
    push(one, there.bucket)
    (row,) = (row for row in there.manifest()["files"] if row["path"] == path)
    there.remove(there.key(row)) if content is None else there.put(there.key(row), content)
    assert [fault["file"] for fault in pull(other, there.bucket)["problems"]] == [path]
    again = push(one, there.bucket)
    assert (again["pushed"], again["problems"]) == (1, [])
    assert pull(other, there.bucket)["problems"] == []
    assert tree(other) == tree(one)
