"""Answers of our own: JSON, and errors in OpenAI's shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from proxy.access import Refusal

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
}


def as_openai(refusal: Refusal) -> dict[str, Any]:
    """A refusal as clients of OpenAI read it."""
    kind = KINDS.get(refusal.status, "api_error")
    return {"error": {"message": refusal.message, "type": kind, "param": None, "code": refusal.code}}


async def reply(
    request: web.BaseRequest, status: int, content: Any, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Send an answer of ours."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    response = web.Response(
        status=status, body=body, headers={"Content-Type": "application/json", **(headers or {})}
    )
    await response.prepare(request)
    await response.write_eof()
    return response


class Connection(web.RequestHandler):
    """A client's connection, which tells also in OpenAI's shape what is no HTTP and what failed here."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be handled, and close."""
        super().handle_error(request, status, exc, message)
        refusal = Refusal(500, "internal_error", "The proxy failed at this request: its log says why.")
        if status < 500 or isinstance(exc, HttpProcessingError):
            refusal = Refusal(400, "bad_request", "This is no HTTP request as HTTP/1.1 wants it.")
        answer = web.json_response(as_openai(refusal), status=refusal.status)
        answer.force_close()
        return answer

    def log_exception(self, *said: Any, **more: Any) -> None:
        """Write down faults of ours alone: a request that cannot be read may hold a key."""
        if not isinstance(more.get("exc_info"), HttpProcessingError):
            super().log_exception(*said, **more)


class Server(web.Server):
    """Makes such connections."""

    def __call__(self) -> Connection:
        """One for each client."""
        return Connection(self, loop=self._loop, **self._kwargs)
