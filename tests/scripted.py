"""A scripted OpenAI-compatible server on loopback, for the other side that is not ours.

    with scripted.server(scripted.streamed("Hola", " mundo"), pose="ollama", models=("m",)) as other:
        ...ask other.url...
        assert other.requests[-1].body["model"] == "m"

It speaks HTTP/1.0: an answer ends where the connection ends, so a cut stream is a closed one.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Literal

Script = Callable[["Handler"], None]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: Any


@dataclass
class Server:
    script: Script
    pose: Literal["ollama", "vllm"] | None
    models: tuple[str, ...]
    paths: dict[str, tuple[int, Any]]
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    closing: Event = field(default_factory=Event)


@contextmanager
def server(
    script: Script | None = None,
    *,
    pose: Literal["ollama", "vllm"] | None = None,
    models: tuple[str, ...] = ("m",),
    paths: dict[str, tuple[int, Any]] | None = None,
) -> Iterator[Server]:
    """Serve until the block ends; `paths` overrules what the pose answers to GET."""
    state = Server(script or streamed("Hola"), pose, models, paths or {})
    handler = type("ScriptedHandler", (Handler,), {"state": state})
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


class Handler(BaseHTTPRequestHandler):
    state: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.record(None)
        names = self.state.models
        poses: dict[str | None, dict[str, Any]] = {
            None: {},
            "ollama": {
                "/api/version": {"version": "0.32"},
                "/api/tags": {"models": [{"name": n} for n in names]},
            },
            "vllm": {"/version": {"version": "0.12"}},
        }
        known = {"/v1/models": {"object": "list", "data": [{"id": n, "object": "model"} for n in names]}}
        known |= poses[self.state.pose]
        status, body = 200, known.get(self.path)
        if body is None:
            status, body = 404, {"detail": "Not Found"}
        self.reply(*self.state.paths.get(self.path, (status, body)))

    def do_POST(self) -> None:
        self.record(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        with suppress(ConnectionError):  # whoever asked may hang up
            self.state.script(self)

    def record(self, body: Any) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.state.requests.append(Request(self.command, self.path, headers, body))

    def reply(self, status: int, body: Any, **headers: str) -> None:
        raw = json.dumps(body).encode()
        self.start(status, "application/json", content_length=str(len(raw)), **headers)
        self.wfile.write(raw)

    def start(self, status: int, content_type: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def chunk(self, text: str | None = None, finish_reason: str | None = None) -> None:
        delta = {} if text is None else {"role": "assistant", "content": text}
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        self.event(
            {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}
        )

    def event(self, data: Any) -> None:
        self.wfile.write(f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode())


def streamed(*pieces: str, pause_seconds: float = 0.0, finish_reason: str = "stop") -> Script:
    """The normal case: pieces, a reason to end, [DONE]; with a pause before each piece a slow server."""

    def script(handler: Handler) -> None:
        cut(*pieces, pause_seconds=pause_seconds)(handler)
        handler.chunk(finish_reason=finish_reason)
        handler.event("[DONE]")

    return script


def cut(*pieces: str, pause_seconds: float = 0.0) -> Script:
    """A stream that ends cleanly after its pieces, without a reason to end."""

    def script(handler: Handler) -> None:
        handler.start(200, "text/event-stream")
        for piece in pieces:
            handler.state.closing.wait(pause_seconds)
            handler.chunk(piece)

    return script


def broken(*pieces: str) -> Script:
    """A connection that closes although more was promised."""

    def script(handler: Handler) -> None:
        handler.start(200, "text/event-stream", content_length="100000")
        for piece in pieces:
            handler.chunk(piece)

    return script


def complained(*pieces: str, message: str = "out of memory") -> Script:
    """An error in the middle of the stream, as Ollama and vLLM send it."""

    def script(handler: Handler) -> None:
        cut(*pieces)(handler)
        handler.event({"error": {"message": message, "type": "server_error", "code": 500}})

    return script


def plain(text: str) -> Script:
    """One whole answer, not streamed."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return lambda handler: handler.reply(200, body)


def failing(status: int, message: str = "scripted", **headers: str) -> Script:
    """An error in OpenAI's shape; `retry_after="0"` becomes a header."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": None}}
    return lambda handler: handler.reply(status, body, **headers)


def pinging() -> Script:
    """A stream that says nothing but that it is alive, as llama.cpp does while it reads the prompt."""

    def script(handler: Handler) -> None:
        handler.start(200, "text/event-stream")
        while not handler.state.closing.wait(0.05):
            handler.wfile.write(b": ping\n\n")

    return script


def silent() -> Script:
    """Takes the question and never answers."""
    return lambda handler: handler.state.closing.wait() and None


def one_after_another(*scripts: Script) -> Script:
    """The first request gets the first script, and so on; one too many is an error of the test."""
    rest = iter(scripts)

    def script(handler: Handler) -> None:
        next(rest)(handler)

    return script
