"""Trees of files as two machines have them, and what lies in the bucket between them."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from bucket.files import Home
from bucket.pull import pull
from bucket.push import push
from bucket.server import Bucket

OURS = ("models", "documents", "memory", "adapters", "proxy", "training", "bucket", "benchmarks")


def home(root):
    root.mkdir(exist_ok=True)
    return Home(root, OURS)


def write(place, files):
    for path, content in files.items():
        file = place.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


def tree(place):
    """Every file that a person would see, what the sync remembers left out."""
    return {
        file.relative_to(place.root).as_posix(): file.read_bytes()
        for file in sorted(place.root.rglob("*"))
        if file.is_file() and file.relative_to(place.root).parts[0] != "bucket"
    }


LOGS = {f"logs/s{number}/messages.jsonl": f'{{"role": "user", "n": {number}}}\n' for number in range(12)}
MORE = {"adapters/first/adapter_config.json": "{}", "adapters/first/training.json": "{}"}


def both_have(bucket, one, other, text):
    write(one, {"logs/a.jsonl": text})
    push(one, bucket)
    pull(other, bucket)


@dataclass(frozen=True)
class There:
    """The bucket as somebody sees it who can write to it by other ways than ours."""

    bucket: Bucket
    client: Any

    @property
    def uri(self):
        return self.bucket.uri

    @property
    def _place(self):
        return self.uri.removeprefix("s3://").split("/")

    def stored(self):
        name, prefix = self._place
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix)
        rows = (row for page in pages for row in page.get("Contents", []))
        return [row["Key"].removeprefix(f"{prefix}/") for row in rows]

    def put(self, key, body):
        name, prefix = self._place
        self.client.put_object(Bucket=name, Key=f"{prefix}/{key}", Body=body)

    def remove(self, key):
        name, prefix = self._place
        self.client.delete_object(Bucket=name, Key=f"{prefix}/{key}")

    def key(self, row):
        return f"objects/{row['push']}/{row['sha256']}"

    def manifest(self, change=None):
        name, prefix = self._place
        told = json.loads(self.client.get_object(Bucket=name, Key=f"{prefix}/manifest.json")["Body"].read())
        if change:
            change(told)
            self.put("manifest.json", json.dumps(told).encode())
        return told

    def plant(self, path, content, **wrong):
        """An entry with its content."""
        row = {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        row |= {"mtime_ns": 10**18, "push": "0" * 32}
        self.put(self.key(row), content)

        def change(told):
            told["files"] = [one for one in told["files"] if one["path"] != path] + [row | wrong]

        self.manifest(change)
