"""A Qdrant server whose faults come and go, over a client's own memory.

with Qdrant() as qdrant:
    qdrant.fault = Reply(hang=True)
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from qdrant_client import QdrantClient

from tests.proxy.alike import HEADERS, Prompt
from tests.proxy.upstream import Received, Reply
from tests.stores import wire


class Qdrant(Prompt):
    """A Qdrant server over a client's own memory; with a fault it says that instead."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.fault: Reply | None = None
        self.memory = QdrantClient(":memory:")

    def _answer(self, received: Received) -> Reply:
        if self.fault:
            return self.fault
        name, rest = re.fullmatch(r"/collections/([^/]+)(/.*)?", urlsplit(received.target).path).groups()
        act = next(act for *asked, act in wire.ROUTES if asked == [received.method, rest or ""])
        try:
            result = act(self.memory, name, json.loads(received.body or b"{}"))
        except ValueError as error:
            known = {"not found": 404, "already exists": 409}
            status = next((status for words, status in known.items() if words in str(error)), 400)
            return Reply(status, body=str(error).encode())
        told = json.dumps(
            {"result": result, "status": "ok", "time": 0.0}, default=lambda one: one.model_dump()
        )
        return Reply(headers=HEADERS, body=told.encode())
