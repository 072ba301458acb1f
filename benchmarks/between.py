"""A server between two others: it passes on what is asked and remembers it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx

PASSED = ("authorization", "content-type")
PATIENCE_SECONDS = 300.0


@contextmanager
def recording(target: str) -> Iterator[tuple[int, list[Any]]]:
    """Yield the port and the list that every JSON body is added to; `target` is a server without a path."""
    asked: list[Any] = []
    with httpx.Client(base_url=target, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        handler = type("RecordingHandler", (_Handler,), {"client": client, "asked": asked})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield server.server_port, asked
            finally:
                server.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    client: httpx.Client
    asked: list[Any]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._pass(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.asked.append(json.loads(body))
        self._pass(body)

    def _pass(self, body: bytes | None) -> None:
        headers = {name: self.headers[name] for name in PASSED if name in self.headers}
        answer = self.client.request(self.command, self.path, content=body, headers=headers)
        self.send_response(answer.status_code)
        self.send_header("content-type", answer.headers.get("content-type", "application/json"))
        self.send_header("content-length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)
