"""Fixtures for DATA_DIR in a bucket: one real S3 protocol server a run, a bucket and two machines a test."""

from uuid import uuid4

import pytest

from bucket.server import Bucket
from tests.bucket.trees import There, home
from tests.bucket_server import serving


@pytest.fixture(scope="session")
def server():
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def client(server):
    client = server.client()
    yield client
    client.close()


@pytest.fixture
def uri(client):
    name = f"b-{uuid4().hex[:12]}"
    client.create_bucket(Bucket=name)
    return f"s3://{name}/ana"


@pytest.fixture
def bucket(server, uri):
    with Bucket.at(server.access(uri)) as there:
        yield there


@pytest.fixture
def there(bucket, client):
    return There(bucket, client)


@pytest.fixture
def one(tmp_path):
    return home(tmp_path / "one")


@pytest.fixture
def other(tmp_path):
    return home(tmp_path / "other")
