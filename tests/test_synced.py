"""`app.py push` and `pull-s3`, from one machine's DATA_DIR to another's, over a real S3 protocol server."""

import json

import pytest

from benchmarks import sessions
from tests import bucket_server


@pytest.fixture(scope="module")
def endpoint():
    with bucket_server.serving() as server:
        client = server.client()
        client.create_bucket(Bucket="recuerdo")
        client.close()
        yield server.url


def test_what_one_machine_pushes_another_pulls_and_the_second_time_nothing_travels(
    app, data_dir, tmp_path, endpoint
):
    log = data_dir / "laptop" / "session.jsonl"
    log.parent.mkdir()
    log.write_text('{"messages": []}\n')
    where = {"S3_URI": "s3://recuerdo/ana", "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-west-1"}
    where |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    first = app("push", "--json", **where)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["pushed"] == 1
    assert json.loads(app("push", "--json", **where).stdout)["pushed"] == 0
    other = where | {"DATA_DIR": str(tmp_path / "other")}
    there = app("pull-s3", **other)
    assert there.returncode == 0, there.stderr
    assert "1 files pulled" in there.stdout
    assert (tmp_path / "other" / "laptop" / "session.jsonl").read_text() == log.read_text()
    assert json.loads(app("pull-s3", "--json", **other).stdout)["pulled"] == 0


def test_what_one_machine_forgets_goes_from_the_memory_of_the_other(app, data_dir, tmp_path, endpoint):
    where = {"S3_URI": "s3://recuerdo/ben", "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "eu-west-1"}
    where |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    for number, bird in enumerate(("heron", "plover"), start=1):
        turn = (str(number), f"When does the {bird} feed?", f"The {bird} feeds at low tide.")
        sessions.write(data_dir / "logs", number, [turn], "/home/dev/birds")
    other = where | {"DATA_DIR": str(tmp_path / "other")}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "models").symlink_to(data_dir / "models")
    for words, there in (("push", where), ("pull-s3", other), ("ingest", where), ("ingest", other)):
        done = app(words, **there)
        assert done.returncode == 0, done.stderr
    (hit, *_) = json.loads(app("recall", "heron low tide", "--json", **where).stdout)["hits"]
    assert app("forget", "--id", hit["id"], "--yes", **where).returncode == 0
    assert app("push", **where).returncode == 0
    assert json.loads(app("pull-s3", "--json", **other).stdout)["forgotten"] == 1
    left = json.loads(app("recall", "heron low tide", "--json", **other).stdout)["hits"]
    assert [one["id"] for one in left if one["id"] == hit["id"]] == []
    assert json.loads(app("ingest", "--json", **other).stdout)["new"] == 0


def test_without_a_bucket_or_with_none_that_answers_it_is_one_sentence(app, endpoint):
    where = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "eu-west-1"}
    for words, more, status, said in (
        ("push", {}, 2, "S3_URI=s3://bucket/prefix"),
        ("pull-s3", {"S3_URI": "recuerdo"}, 2, "s3://"),
        ("push", {"S3_URI": "s3://nobodys", "AWS_ENDPOINT_URL": endpoint}, 2, "nobodys"),
        ("push", {"S3_URI": "s3://recuerdo", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, 3, "be reached"),
    ):
        done = app(words, **where, **more)
        assert (done.returncode, said in done.stderr, done.stderr.count("\n")) == (status, True, 1), (
            done.stderr
        )
