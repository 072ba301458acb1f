"""A real S3 protocol server (moto's) on loopback, in a process of its own.

    with serving() as server:
        client = server.client()
        bucket = Bucket.at(server.access("s3://mine/prefix"))

`python -m tests.bucket_server` is that process: it prints its port and serves until its input ends.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bucket.server import Access, _client

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Server:
    url: str

    def access(self, uri: str) -> Access:
        return Access(uri, self.url, "us-east-1", "key", "secret")

    def client(self):
        return _client(self.access("s3://none"))


@contextmanager
def serving() -> Iterator[Server]:
    words = [sys.executable, "-m", "tests.bucket_server"]
    with subprocess.Popen(
        words, cwd=ROOT, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.stdin.close()
            process.wait(20)


def main() -> None:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
