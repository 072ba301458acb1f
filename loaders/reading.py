"""Files read by a child process: each ends as documents or as a problem, in bounded time and memory."""

import json
import math
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from loaders.folder import Source
from loaders.process import Process

if TYPE_CHECKING:
    from langchain_core.documents import Document

READER = "pages-1"  # stored with an index: change it whenever the same file would read otherwise


@dataclass(frozen=True)
class Reading:
    """One document for each page that holds text, or for the whole text file; and what was not read of it."""

    documents: "list[Document]"
    problem: str | None = None


class Reader:
    """Keeps one child for many files, and starts another where a file was the end of it."""

    def __init__(
        self,
        seconds: float = 15,
        memory_mb: int = 512,
        max_file_mb: int = 200,
        start: Callable[[], Process] = Process,
    ) -> None:
        self._seconds = seconds
        self._memory_mb = memory_mb
        self._max_file_mb = max_file_mb
        self._start = start
        self._process: Process | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop(patience=1)

    def read(self, source: Source) -> Reading:
        """The documents of one file; whatever the file is, this neither raises nor waits for long."""
        if source.size > self._max_file_mb * 10**6:
            size = math.ceil(source.size / 10**6)
            return Reading([], f"{size} MB is over the limit of {self._max_file_mb} MB")
        try:
            return _reading(source, self._ask(source))
        except TimeoutError:
            self._stop()
            return Reading([], self._late)
        except EOFError:
            return Reading([], self._cause_of_death(self._stop(patience=1)))
        except (ValueError, TypeError, KeyError, RecursionError):
            # Only a child that has been taken over by its file answers like this.
            self._stop()
            return Reading([], "made the reader answer nonsense, so it was left out")
        except BaseException:
            # An answer may be on its way, and must not be taken for that of the next file.
            self._stop()
            raise

    def _ask(self, source: Source) -> bytes:
        if self._process and not self._process.alive:
            self._stop()  # it died of nothing that this file did
        if self._process is None:
            self._process = self._start()
        path = str(source.path.absolute())
        question = {"path": path, "memory_mb": self._memory_mb, "seconds": self._seconds}
        return self._process.ask(json.dumps(question).encode() + b"\n", self._seconds)

    def _stop(self, patience: float = 0) -> int:
        process, self._process = self._process, None
        return process.stop(patience) if process else 0

    @property
    def _late(self) -> str:
        return f"took longer than {self._seconds:g} s to read, so it was left out"

    def _cause_of_death(self, status: int) -> str:
        if status == -signal.SIGXCPU:
            return self._late
        if status == -signal.SIGABRT:  # how pdfium ends where it is given no more memory
            return f"needs more than {self._memory_mb} MB, or crashed the reader, so it was left out"
        cause = signal.strsignal(-status) if status < 0 else f"exit status {status}"
        return f"crashed the reader ({cause}), so it was left out"


def _reading(source: Source, answer: bytes) -> Reading:
    from langchain_core.documents import Document

    reply = json.loads(answer)
    documents = [
        Document(page["text"], metadata=_metadata(source, page, int(reply["pages_total"])))
        for page in reply["pages"]
    ]
    return Reading(documents, reply["problem"] and str(reply["problem"]))


def _metadata(source: Source, page: dict[str, Any], total: int) -> dict[str, str | int]:
    if source.path.suffix.lower() != ".pdf":
        return {"file": source.name}
    return {
        "file": source.name,
        "page": int(page["number"]),
        "page_label": str(page["label"]),
        "pages": total,
    }
