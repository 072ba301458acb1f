"""Qdrant's REST protocol on loopback, over a QdrantClient's own memory: what no package index carries.

    with wire.server() as qdrant:
        ...use Server.at(qdrant.url, "key", "conversations")...
        assert qdrant.requests[0].query == "wait=true"

`failing` holds the statuses that the next requests are answered with; 0 hangs up without an answer.
"""

import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from qdrant_client import QdrantClient, models


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str
    key: str | None
    body: dict


@dataclass
class Qdrant:
    memory: QdrantClient = field(default_factory=lambda: QdrantClient(":memory:"))
    requests: list[Request] = field(default_factory=list)
    failing: list[int] = field(default_factory=list)
    url: str = ""


@contextmanager
def server():
    state = Qdrant()
    handler = type("WireHandler", (Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads = True
        state.url = f"http://127.0.0.1:{http.server_port}"
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            http.shutdown()
            thread.join()


def create(memory, name, body):
    made = models.CreateCollection(**body)
    return memory.create_collection(name, made.vectors, made.sparse_vectors, metadata=made.metadata)


def collection(memory, name, _):
    info = memory.get_collection(name).model_dump()
    return info | {"indexed_vectors_count": 0, "segments_count": 1}


def upsert(memory, name, body):
    return memory.upsert(name, [models.PointStruct(**point) for point in body["points"]])


def query(memory, name, body):
    asked = models.QueryRequest(**body)
    nearest = asked.query.nearest if isinstance(asked.query, models.NearestQuery) else asked.query
    named = {"using": asked.using, "limit": asked.limit, "query_filter": asked.filter}
    return memory.query_points(name, nearest, with_payload=bool(body.get("with_payload")), **named)


def scroll(memory, name, body):
    asked = models.ScrollRequest(**body)
    page, after = memory.scroll(
        name,
        asked.filter,
        limit=asked.limit,
        offset=asked.offset,
        with_payload=bool(body.get("with_payload")),
    )
    return {"points": page, "next_page_offset": after}


def retrieve(memory, name, body):
    return memory.retrieve(name, body["ids"], True, body.get("with_vector") or False)


ROUTES = [
    ("GET", "/exists", lambda memory, name, _: {"exists": memory.collection_exists(name)}),
    ("GET", "", collection),
    ("PUT", "", create),
    ("DELETE", "", lambda memory, name, _: memory.delete_collection(name)),
    ("PUT", "/index", lambda *_: {"operation_id": 1, "status": "completed"}),
    ("PUT", "/points", upsert),
    ("POST", "/points/payload", lambda memory, name, body: memory.set_payload(
        name, body["payload"], body["points"], key=body.get("key"))),
    ("POST", "/points/delete", lambda memory, name, body: memory.delete(name, body["points"])),
    ("POST", "/points/query", query),
    ("POST", "/points", retrieve),
    ("POST", "/points/scroll", scroll),
    ("POST", "/points/count", lambda memory, name, _: memory.count(name)),
    ("POST", "/facet", lambda memory, name, body: memory.facet(name, body["key"], limit=body["limit"])),
]  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    state: Qdrant
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        body = json.loads(raw) if raw else {}
        key = self.headers.get("api-key")
        self.state.requests.append(Request(self.command, parts.path, parts.query, key, body))
        if self.state.failing:
            status = self.state.failing.pop(0)
            if status == 0:
                self.close_connection = True
            else:
                self.reply(status, {"status": {"error": "as the test wants it"}})
            return
        name, rest = re.fullmatch(r"/collections/([^/]+)(/.*)?", parts.path).groups()
        act = next(act for method, path, act in ROUTES if (method, path) == (self.command, rest or ""))
        try:
            result = act(self.state.memory, name, body)
        except ValueError as error:  # the memory knows no such collection
            self.reply(404, {"status": {"error": str(error)}})
        else:
            self.reply(200, {"result": result, "status": "ok", "time": 0.0})

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  # as the library asks

    def reply(self, status, body):
        raw = json.dumps(body, default=lambda model: model.model_dump()).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
