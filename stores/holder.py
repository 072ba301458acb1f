"""One process holds the embedded collection; every other works through it and does not notice.

Whoever comes first takes the lock, opens the collection and answers on a socket that only the same user can
reach. Whoever comes later finds the socket in the `holder` file. When the holder ends, or dies, the next
call takes its place: every operation may be repeated without harm.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import errors
from errors import Locked, RecuerdoError, StoreFailed
from stores.collection import Collection
from stores.conversations.embedded import Embedded
from stores.durable import replace
from stores.gate import Gate
from stores.lock import held

OPERATIONS = frozenset(name for name in vars(Collection) if not name.startswith("_"))
# These replace the collection, so that nobody may be using it.
ALONE = frozenset({"create", "purge"})
SLOW = frozenset({"settle", "purge"})
PREFIX = "recuerdo-"
PAUSE_SECONDS = 0.02
START_SECONDS = 15.0
ANSWER_SECONDS = 60.0


class Shared:
    """A Collection whose every operation is carried out here, or by whoever holds it."""

    def __init__(self, home: Path, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._home, self._answer_seconds = home, answer_seconds
        self._held: _Holder | None = None
        self._asked: _Channel | None = None

    def close(self) -> None:
        """Let the next process hold the collection."""
        self._hang_up()
        if self._held is not None:
            self._held.close()
            self._held = None

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation not in OPERATIONS:
            raise AttributeError(operation)
        return lambda *arguments: self._call(operation, arguments)

    def _hang_up(self) -> None:
        if self._asked is not None:
            self._asked.close()
            self._asked = None

    def _call(self, operation: str, arguments: tuple[Any, ...]) -> Any:
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self._held is not None:
                return self._held.do(operation, arguments)
            try:
                self._asked = self._asked or _Channel(self._home, self._answer_seconds)
                return self._asked.ask(operation, arguments)
            except (OSError, EOFError, ValueError):  # no holder, or one that is just ending or dead
                self._hang_up()
            try:
                self._held = _Holder(self._home)
            except Locked:  # one that is just starting
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_SECONDS)


class _Holder:
    """The collection, open in this process, and the thread that answers for it."""

    def __init__(self, home: Path) -> None:
        self._stack = ExitStack()
        self._stack.enter_context(held(home / "lock"))
        try:
            self._file = home / "holder"
            self._clear()
            self._collection = Embedded(home)
            self._place = Path(tempfile.mkdtemp(prefix=PREFIX))  # a socket's path must be short
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(self._place / "socket"))
            self._listener.listen()
            replace(self._file, json.dumps({"pid": os.getpid(), "socket": str(self._place / "socket")}))
        except BaseException:
            self._stack.close()
            raise
        self._gate = Gate()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Finish what is being answered, then let the next process hold the collection."""
        with self._gate.alone():
            self._closed = True
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._clear()
            self._collection.close()
            self._stack.close()

    def do(self, operation: str, arguments: Sequence[Any]) -> Any:
        """Carry out an operation, beside others where it can be."""
        with self._gate.alone() if operation in ALONE else self._gate.using():
            if self._closed:
                raise EOFError
            return getattr(self._collection, operation)(*arguments)

    def _clear(self) -> None:
        """Remove the socket, also one that a killed holder left behind."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            place = Path(json.loads(self._file.read_text(encoding="utf-8"))["socket"]).parent
            if place.name.startswith(PREFIX):
                shutil.rmtree(place, ignore_errors=True)
        self._file.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        nonsense = (OSError, ValueError, KeyError, TypeError)
        with suppress(*nonsense), connection, connection.makefile("rwb") as stream:
            for line in stream:
                reply = self._answer(json.loads(line))
                stream.write(json.dumps(reply).encode() + b"\n")
                stream.flush()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = request["operation"]
        if operation not in OPERATIONS:
            return {"failure": "StoreFailed", "message": f"There is no operation {operation}."}
        try:
            return {"result": self.do(operation, request["arguments"])}
        except EOFError:  # closed meanwhile: hang up, and whoever asked becomes the holder
            raise ConnectionAbortedError from None
        except RecuerdoError as error:
            return {"failure": type(error).__name__, "message": str(error)}
        except Exception as error:  # noqa: BLE001  # the engine raises nothing narrower
            return {"failure": "StoreFailed", "message": f"The conversations cannot be used: {error}."}


class _Channel:
    """A connection to the holder."""

    def __init__(self, home: Path, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds
        found = json.loads((home / "holder").read_text(encoding="utf-8"))
        self._pid = found["pid"]
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(found["socket"])
        except OSError:
            self._socket.close()
            raise
        self._stream = self._socket.makefile("rwb")
        self._one = threading.Lock()

    def ask(self, operation: str, arguments: tuple[Any, ...]) -> Any:
        """Have the holder do it."""
        with self._one:
            self._socket.settimeout(None if operation in SLOW else self._answer_seconds)
            request = {"operation": operation, "arguments": arguments}
            try:
                self._stream.write(json.dumps(request).encode() + b"\n")
                self._stream.flush()
                line = self._stream.readline()
            except TimeoutError as error:
                raise Locked(f"Process {self._pid} holds the conversations and does not answer.") from error
        if not line.endswith(b"\n"):
            raise EOFError
        reply = json.loads(line)
        if "failure" in reply:
            raise getattr(errors, reply["failure"], StoreFailed)(reply["message"])
        return reply["result"]

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._stream.close()
        self._socket.close()
