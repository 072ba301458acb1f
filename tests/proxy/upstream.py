"""A scripted OpenAI-compatible server on raw streams, for what stands behind the proxy.

    with Upstream(said([("read", {"path": "a.txt"})], "It says hello.")) as upstream:
        ...ask upstream.url + "/v1/chat/completions"...
        assert upstream.chats[0].json["model"] == "m"
    upstream.script = lambda received: Reply(body=[b"data: 1\n\n", 0.5, b"data: 2\n\n"], framing="chunked")

It keeps what it received byte for byte, and runs in a thread of its own: a script must not block. What a
script raises is answered with 400, which no client asks again, and raised when the block ends.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any

from tests.proxy.wire import Line, Received, Reply, receive, send

__all__ = ["Received", "Reply", "Script", "Step", "Upstream", "chat", "refused", "said"]

Script = Callable[[Received], "Reply | Script"]  # a script may hand on to another
Call = tuple[str, dict[str, Any]]  # a tool's name and arguments
Step = str | list[Call] | Script | Reply


@dataclass
class Upstream:
    script: Script = field(default_factory=lambda: chat("Hola"))
    url: str = ""
    requests: list[Received] = field(default_factory=list)
    aborted: int = 0
    """Requests whose connection the other side closed before the reply was finished."""
    failures: list[Exception] = field(default_factory=list)

    @property
    def completions(self) -> list[Received]:
        """The chat requests in order, without models, probes and the like."""
        return [one for one in self.requests if _is_chat(one)]

    @property
    def chats(self) -> list[Received]:
        """Those of them that carry tools: no titles."""
        return [one for one in self.completions if one.json.get("tools")]

    def wait_aborted(self, n: int, seconds: float) -> bool:
        """Block until so many requests were aborted; False when the time is up."""
        with self._change:
            return self._change.wait_for(lambda: self.aborted >= n, seconds)

    def __enter__(self) -> Upstream:
        self._change, self._stop, self._loop = Condition(), asyncio.Event(), asyncio.new_event_loop()
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._thread = Thread(target=self._run, args=(listening,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self.failures and kind is None:
            raise self.failures[0]

    def _run(self, listening: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        def connected() -> asyncio.StreamReaderProtocol:
            return asyncio.StreamReaderProtocol(Line(), self._talk)

        server = await self._loop.create_server(connected, sock=listening)
        await self._stop.wait()
        server.close()  # what still talks is cancelled by the runner

    async def _talk(self, line: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert isinstance(line, Line)
        writer.transport.set_write_buffer_limits(0)  # so that drained means sent
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while await self._exchange(line, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # between two requests anybody may leave, and at the end of the block we do
        finally:
            writer.transport.abort()

    async def _exchange(self, line: Line, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; whether another may follow."""
        head = await line.readuntil(b"\r\n\r\n")
        try:
            received = await receive(head, line)
            self.requests.append(received)
            reply = self._reply(received)
            sending = asyncio.ensure_future(send(reply, received, writer))
            leaving = asyncio.ensure_future(line.gone.wait())
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            if not sending.done():
                sending.cancel()
                raise ConnectionResetError
            sending.result()
        except (asyncio.IncompleteReadError, ConnectionError):
            with self._change:
                self.aborted += 1
                self._change.notify_all()
            return False
        except Exception as error:  # noqa: BLE001 - told when the block ends
            self.failures.append(error)
            return False
        stays = (received.header("connection") or "").lower() != "close"
        return stays and not reply.cut and reply.framing in {"length", "chunked"}

    def _reply(self, received: Received) -> Reply:
        try:
            reply = self.script(received)
            while not isinstance(reply, Reply):
                reply = reply(received)
        except Exception as error:  # noqa: BLE001 - told when the block ends
            self.failures.append(error)
            return refused(400, f"The script failed: {error!r}")
        return reply


def chat(text: str | None, tool_calls: Sequence[Call] = ()) -> Script:
    """Answer a chat request with this, as JSON or as SSE as it asks; the same request, the same bytes."""

    def script(received: Received) -> Reply:
        if not _is_chat(received):
            return _elsewhere(received)
        asked = received.json
        calls = [_call(asked, index, *call) for index, call in enumerate(tool_calls)]
        if not asked.get("stream"):
            return _as_json(_whole(asked, text, calls))
        events = [json.dumps(chunk) for chunk in _chunks(asked, text, calls)]
        body = [f"data: {event}\n\n".encode() for event in [*events, "[DONE]"]]
        return Reply(
            headers=[("Content-Type", "text/event-stream; charset=utf-8")], body=body, framing="chunked"
        )

    return script


def said(*steps: Step, title: str = "A title") -> Script:
    """Answer the n-th chat request that carries tools with the n-th step, others with the title.

    A step is a text, a list of tool calls, or a script; one request too many is the test's failure.
    """
    rest = iter(steps)

    def script(received: Received) -> Reply | Script:
        if not (_is_chat(received) and received.json.get("tools")):
            return chat(title)
        step = next(rest, None)
        if step is None:
            raise AssertionError("one request more than steps")
        if isinstance(step, str):
            return chat(step)
        if isinstance(step, list):
            return chat(None, step)
        return (lambda _: step) if isinstance(step, Reply) else step

    return script


def refused(status: int, message: str = "scripted", headers: Sequence[tuple[str, str]] = ()) -> Reply:
    """An error in OpenAI's shape."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return _as_json({"error": error}, status, headers)


def _as_json(body: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Reply:
    return Reply(status, [("Content-Type", "application/json"), *headers], json.dumps(body).encode())


def _is_chat(received: Received) -> bool:
    return received.method == "POST" and received.target.partition("?")[0].endswith("/chat/completions")


def _elsewhere(received: Received) -> Reply:
    if received.method in {"GET", "HEAD"} and received.target.endswith("/v1/models"):
        return _as_json({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "scripted"}]})
    return _as_json({"detail": "Not Found"}, 404)


def _call(asked: Any, index: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"id": f"call_{len(asked['messages'])}_{index}", "type": "function", "function": function}


def _usage(asked: Any) -> dict[str, int]:
    prompt = len(json.dumps(asked)) // 4
    return {"prompt_tokens": prompt, "completion_tokens": 10, "total_tokens": prompt + 10}


def _whole(asked: Any, text: str | None, calls: list[dict[str, Any]]) -> dict[str, Any]:
    message = {"role": "assistant", "content": text} | ({"tool_calls": calls} if calls else {})
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}
    return _frame(asked, "chat.completion", [choice]) | {"usage": _usage(asked)}


def _frame(asked: Any, kind: str, choices: list[Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": asked.get("model"), "choices": choices}


def _chunks(asked: Any, text: str | None, calls: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for delta in _deltas(text, calls):
        yield _frame(asked, "chat.completion.chunk", [{"index": 0, "delta": delta, "finish_reason": None}])
    end = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}
    yield _frame(asked, "chat.completion.chunk", [end])
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield _frame(asked, "chat.completion.chunk", []) | {"usage": _usage(asked)}


def _deltas(text: str | None, calls: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for piece in re.findall(r"\s*\S+|\s+$", text or ""):
        yield {"content": piece}
    for index, call in enumerate(calls):
        arguments = call["function"]["arguments"]
        begun = call | {"index": index, "function": call["function"] | {"arguments": arguments[:5]}}
        yield {"tool_calls": [begun]}
        yield {"tool_calls": [{"index": index, "function": {"arguments": arguments[5:]}}]}
