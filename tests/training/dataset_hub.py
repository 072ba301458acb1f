"""A hub on loopback with data sets, which answers what `datasets` asks of the real one."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0].strip("/")
        name, files = next(
            ((name, files) for name, files in self.server.sets.items() if name in path), ("", None)
        )
        _, _, rest = path.partition(f"{name}/")
        if files is None:
            self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif "/resolve/" in path:
            self.send(files.get(rest.split("/", 2)[2]))
        elif rest.startswith(("tree/", "paths-info/")):
            found = [
                {"type": "file", "path": one, "size": len(data), "oid": oid(data)}
                for one, data in files.items()
            ]
            below = "/".join(rest.split("/")[2:])
            self.tell([one for one in found if one["path"].startswith(below)])
        else:
            self.tell({"id": name, "sha": COMMIT, "siblings": [{"rfilename": one} for one in files]})

    def tell(self, content):
        self.answer(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def send(self, data):
        if data is None:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        else:
            self.answer(200, data, {"ETag": f'"{oid(data)}"', "X-Repo-Commit": COMMIT})

    def answer(self, status, content, headers):
        self.send_response(status)
        for name, value in ({"Content-Length": len(content)} | headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def oid(data):
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@contextmanager
def serving(sets):
    """The address of a hub with these data sets: files by name, by name of the set."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.sets = sets
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
