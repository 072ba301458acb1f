"""What is told when it does not work: one sentence."""

import os
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from bucket.pull import pull
from bucket.push import push
from bucket.server import Access, Bucket
from errors import BadInput, NothingYet, PartMissing, StoreFailed
from tests.bucket.process import run_sync
from tests.bucket.trees import LOGS, tree, write

PAIR = ("key", "secret")


@pytest.mark.parametrize(
    ("address", "said"),
    [(None, "set S3_URI"), ("", "set S3_URI"), ("http://x/y", "s3://bucket/prefix"), ("s3://", "s3://bucket/prefix"),
     ("s3://UPPER/x", "s3://bucket/prefix"), ("s3://mine/../x", "s3://bucket/prefix"), ("s3://a b/c", "s3://bucket/")],
)  # fmt: skip
def test_an_address_that_is_none(address, said):
    with pytest.raises(BadInput, match=said):
        Bucket.at(Access(address))


def test_half_a_pair_of_keys():
    with pytest.raises(BadInput, match="go together"):
        Bucket.at(Access("s3://mine", key_id="key"))


def test_keys_are_not_shown():
    assert "hidden" not in repr(Access("s3://mine", None, None, "key", "hidden", "hidden"))


def test_no_credentials(one, server):
    run = run_sync("push", one, Access("s3://mine/x", server.url))
    _, told = run.communicate(timeout=60)
    assert told.strip() == (
        "BadInput: There are no credentials for s3://mine/x: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )


def test_a_bucket_that_is_not_there(server, one):
    with (
        Bucket.at(server.access("s3://nobody-made-this/x")) as bucket,
        pytest.raises(BadInput, match="make it first"),
    ):
        push(one, bucket)


def test_nothing_was_pushed_yet(bucket, one):
    with pytest.raises(NothingYet, match=r"app\.py push"):
        pull(one, bucket)


class Refusing(BaseHTTPRequestHandler):
    def do_GET(self):  # its base calls it so
        raw = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        self.send_response(403)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


def test_refused_credentials(one):
    with HTTPServer(("127.0.0.1", 0), Refusing) as http:
        thread = threading.Thread(target=http.handle_request)
        thread.start()
        access = Access("s3://mine/x", f"http://127.0.0.1:{http.server_port}", "us-east-1", *PAIR)
        with Bucket.at(access) as bucket, pytest.raises(BadInput, match=r"refuses .* \(AccessDenied\)"):
            push(one, bucket)
        thread.join()


def test_a_server_that_cannot_be_reached(one):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    access = Access("s3://mine/x", f"http://127.0.0.1:{port}", "us-east-1", *PAIR)
    began = time.monotonic()
    with Bucket.at(access) as bucket, pytest.raises(PartMissing, match="cannot be reached"):
        push(one, bucket)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'{"schema": 1}', b'{"schema": "1", "files": []}', b"[" * 100_000]
)
def test_a_damaged_manifest_stops_both_and_is_kept(bucket, there, one, raw):
    write(one, LOGS)
    there.put("manifest.json", raw)
    for run in (push, pull):
        with pytest.raises(StoreFailed, match="damaged"):
            run(one, bucket)
    assert there.stored() == ["manifest.json"]


def test_a_newer_schema_is_left_alone(bucket, there, one):
    push(one, bucket)
    there.manifest(lambda told: told.update(schema=2))
    with pytest.raises(BadInput, match="update it"):
        push(one, bucket)


def test_a_full_disk_stops_it_and_what_arrived_is_whole(bucket, server, one, other):
    write(one, LOGS | {"z/z.jsonl": os.urandom(1 << 20)})
    push(one, bucket)
    run = run_sync("pull", other, server.access(bucket.uri), most=100_000)
    _, told = run.communicate(timeout=60)
    assert told.startswith("StoreFailed: The disk takes no more (File too large)")
    assert tree(other).keys() == LOGS.keys()
    assert pull(other, bucket)["pulled"] == 1
