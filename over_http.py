"""Questions over HTTP: LangServe's routes for the answer graph, a key, and an address."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from errors import BadInput, PartMissing, RecuerdoError, Unsafe
from parts import Parts
from proxy.access import Access, Refusal, is_loopback, owners
from questioned import answers

if TYPE_CHECKING:
    from fastapi import FastAPI

PATH, ALIVE = "/rag", "/health"
# stream_log is what the playground asks. Left out: stream_events, which tells of every step, and feedback.
ENDPOINTS = ("invoke", "batch", "stream", "stream_log", "playground", "input_schema", "output_schema")
END_SECONDS = 5
UNKNOWN = 401
STRANGE = "It answers under its own address only, and to no web page of another."
Announce = Callable[[str, int], None]
Mount = Callable[..., None]


def serve(parts: Parts, mount: Mount, announce: Announce) -> None:
    """Serve until the process is told to end; `mount` is LangServe's add_routes.

    Raises:
        Unsafe: a public address without a key. BadInput: a port that cannot be used.
    """
    chosen = parts.settings
    key = chosen.serve_api_key.get_secret_value() if chosen.serve_api_key else None
    if not (key or is_loopback(chosen.serve_host)):
        raise Unsafe(
            f"On {chosen.serve_host} anybody in the network could ask your documents: set SERVE_API_KEY, "
            "or listen on 127.0.0.1."
        )
    with _listening(chosen.serve_host, chosen.serve_port) as listener:
        parts.warm()
        asyncio.run(_until_told(app(parts, mount, key), listener, announce))


def app(parts: Parts, mount: Mount, key: str | None = None) -> FastAPI:
    """The application: LangServe's routes, faults as sentences, and nobody without the key."""
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse

    # Their pages would load a script from a network that is not ours.
    made = FastAPI(title="Recuerdo", docs_url=None, redoc_url=None)

    @made.exception_handler(RecuerdoError)
    async def told(_: Any, error: RecuerdoError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503 if isinstance(error, PartMissing) else 500)

    @made.exception_handler(ValidationError)
    async def misspelt(_: Any, error: ValidationError) -> JSONResponse:
        return JSONResponse({"detail": error.errors(include_url=False, include_context=False)}, 422)

    @made.get(ALIVE)
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    mount(made, answers(parts), path=PATH, enabled_endpoints=ENDPOINTS, config_keys=())
    made.add_middleware(_Guard, access=_access(parts, key))
    return made


def _access(parts: Parts, key: str | None) -> Access:
    chosen = parts.settings
    here = is_loopback(chosen.serve_host)
    return Access(owners(key), frozenset({chosen.serve_host}), open_to_all=not here)


class _Guard:
    """Lets through who may ask: by the key, where there is one, and by no name or page of a stranger's."""

    def __init__(self, app: Any, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.datastructures import Headers
        from starlette.responses import JSONResponse

        answer = self._app
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            try:
                self._check(scope["path"], headers)
            except Refusal as no:
                told = {"www-authenticate": "Bearer"} if no.status == UNKNOWN else None
                answer = JSONResponse({"detail": no.message}, no.status, told)
        await answer(scope, receive, send)

    def _check(self, path: str, headers: Any) -> None:
        try:
            self._access.check(headers.get("host"), headers.get("origin"))
        except Refusal as no:
            raise Refusal(no.status, no.code, STRANGE) from no
        if path != ALIVE and self._access.owner(headers.get("authorization")) is None:
            raise Refusal(UNKNOWN, "key_required", "Send the key: Authorization: Bearer KEY.")


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise BadInput(
            f"Port {port} of {host} cannot be used ({error.strerror or error}): choose another --port."
        ) from error
    with listener:
        yield listener


async def _until_told(application: Any, listener: socket.socket, announce: Announce) -> None:
    import uvicorn

    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=END_SECONDS,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            announce(*listener.getsockname()[:2])

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, self.handle_exit, number, None)
            yield

    await Server(config).serve(sockets=[listener])
