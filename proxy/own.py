"""Answers of our own: JSON, and errors in OpenAI's shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

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
