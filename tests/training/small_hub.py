"""A model hub on loopback with one model, which answers what huggingface_hub asks of the real one."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "somebody/tiny"


class Hub(ThreadingHTTPServer):
    """The server, with what was asked of it; `told_size` is what it says that a file takes, if set."""

    def __init__(self, folder: Path, told_size: int | None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {
            path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
        }
        self.told_size = told_size
        self.asked: list[str] = []
        self.revisions: set[str] = set()
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path, files = self.path.split("?")[0], self.server.files
        if path.startswith(f"/api/models/{NAME}/revision/"):
            self.server.revisions.add(path.rpartition("/")[2])
            self.send({"id": NAME, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]})
        elif path.startswith(f"/api/models/{NAME}/tree/"):
            self.send(
                [{"type": "file", "path": name, "size": 1, "oid": oid(file)} for name, file in files.items()]
            )
        elif path.startswith(f"/{NAME}/resolve/{COMMIT}/"):
            self.send_file(path.removeprefix(f"/{NAME}/resolve/{COMMIT}/"))
        else:
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def send(self, content):
        self.answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def send_file(self, name):
        file, head = self.server.files[name], {}
        if self.command == "GET":
            self.server.asked.append(name)
        elif self.server.told_size:
            head = {"Content-Length": self.server.told_size}
        self.answer(200, file.read_bytes(), {"ETag": f'"{oid(file)}"', "X-Repo-Commit": COMMIT} | head)

    def answer(self, status, content, headers):
        self.send_response(status)
        for name, value in ({"Content-Length": len(content)} | headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def oid(file: Path) -> str:
    return hashlib.sha1(file.read_bytes()).hexdigest()  # noqa: S324  # as git names it


@contextmanager
def serving(folder: Path, told_size: int | None = None):
    """Serve the folder as the model NAME."""
    server = Hub(folder, told_size)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
