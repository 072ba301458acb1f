"""A server on loopback that takes traces as LangSmith does, and misbehaves as a test wants it.

    with trace_server.server() as langsmith:
        ...trace to langsmith.url...
        assert langsmith.run("retrieve")["parent_run_id"] == langsmith.root["id"]

Manners: "normal", "silent" (takes all and never answers), "slow" (two seconds an answer), or a status.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

Manner = str | int
SLOW_SECONDS = 2.0


@dataclass
class Server:
    manner: Manner
    url: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    raw: bytes = b""
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    closing: Event = field(default_factory=Event)

    @property
    def roots(self) -> list[dict[str, Any]]:
        return [run for run in self.runs.values() if not run.get("parent_run_id")]

    @property
    def root(self) -> dict[str, Any]:
        (root,) = self.roots
        return root

    def run(self, name: str) -> dict[str, Any]:
        (found,) = (run for run in self.runs.values() if run["name"] == name)
        return found

    def children(self, parent: dict[str, Any]) -> list[str]:
        """Their names, as they ran."""
        below = [run for run in self.runs.values() if run.get("parent_run_id") == parent["id"]]
        return [run["name"] for run in sorted(below, key=lambda run: run["dotted_order"])]

    def merge(self, identity: str, told: dict[str, Any]) -> None:
        self.runs.setdefault(identity, {}).update(told)


@contextmanager
def server(manner: Manner = "normal") -> Iterator[Server]:
    state = Server(manner)
    handler = type("TraceHandler", (Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}"
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            state.closing.set()
            http.shutdown()
            thread.join()


def closed_port() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open
    state: Server

    def handle(self) -> None:
        with suppress(ConnectionError):  # whoever asked may have left
            super().handle()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.note(b"")
        self.reply({"version": "0.15", "batch_ingest_config": {"use_multipart_endpoint": True}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "zstd":
            body = unpacked(body)
        self.note(body)
        if self.state.manner in {"normal", "slow"}:
            self.take(body)
        self.reply({"message": "Runs batch ingested"}, 202)

    do_PATCH = do_POST  # noqa: N815 -- the name that http.server asks for

    def note(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.state.requests.append((f"{self.command} {self.path}", headers))
        self.state.raw += str(self.headers).encode() + body

    def take(self, body: bytes) -> None:
        if self.path == "/runs/multipart":
            self.take_parts(body)
        elif self.path == "/runs/batch":
            told = json.loads(body)
            for run in [*told.get("post", []), *told.get("patch", [])]:
                self.state.merge(run["id"], run)
        elif self.path.startswith("/runs"):
            told = json.loads(body)
            self.state.merge(told.get("id") or self.path.removeprefix("/runs/"), told)

    def take_parts(self, body: bytes) -> None:
        """`post.ID` holds a run, `post.ID.inputs` a field of it; `patch.…` what came to it later."""
        kind = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser(EmailMessage, policy=HTTP).parsebytes(kind + body)
        for part in message.iter_parts():
            _, identity, *name = part.get_param("name", header="content-disposition").split(".")
            told = json.loads(part.get_payload(decode=True))
            self.state.merge(identity, {name[0]: told} if name else told)

    def reply(self, body: Any, status: int = 200) -> None:
        if self.state.manner == "silent":
            self.state.closing.wait()
        if self.state.manner == "slow":
            self.state.closing.wait(SLOW_SECONDS)
        raw = json.dumps(body).encode()
        self.send_response(self.state.manner if isinstance(self.state.manner, int) else status)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


def unpacked(body: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj().decompress(body)
