"""Runs of the graphs, told to LangSmith where a person asks for it: without secrets, beside the answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Full, Queue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from langchain_core.tracers import BaseTracer, Run
from pydantic_core import to_jsonable_python

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler
    from langsmith import Client

# How long an exit waits for the last trace, and for the redactor's rules: they are compiled once a machine.
WAIT_SECONDS = 0.4
RULES_SECONDS = 15.0
CONNECT_SECONDS = 3.0
WAITING = 64
# All texts of a trace are redacted as one, so that a password known from one of them is found in the others.
BETWEEN = "\n\n\x1e\n\n"
# No events: the pieces of a secret as they were streamed would pass every redactor.
CONTENTS = ("name", "inputs", "outputs", "error", "extra", "tags")
WITHHELD = {"metadata": {"withheld": "a secret could not be told from what surrounds it"}}
REASONS = {
    "LangSmithConnectionError": "it cannot be reached",
    "LangSmithRequestTimeout": "it does not answer",
    "ReadTimeout": "it does not answer",
    "LangSmithAuthError": "it refuses LANGSMITH_API_KEY",
    "LangSmithRateLimitError": "it takes no more for now",
}

Redact = Callable[[str], str]


@dataclass(frozen=True)
class Tracing:
    """Where traces go, and what each says of the settings behind it."""

    endpoint: str
    project: str
    api_key: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def hush() -> None:
    """Keep LangSmith's own tracer silent, which LANGSMITH_TRACING and older names would start unredacted."""
    import langsmith

    langsmith.configure(enabled=False)


@contextmanager
def traced(
    chosen: Tracing | None, redact: Redact, note: Callable[[str], None]
) -> Iterator[list[BaseCallbackHandler]]:
    """The callbacks that make a graph tell its runs; none where nobody asked for traces."""
    hush()
    if chosen is None:
        yield []
        return
    post = _Post(chosen, redact)
    try:
        yield [_Witness(post.take)]
    finally:
        if fault := post.close():
            note(f"Traces could not be delivered to {_shown(chosen.endpoint)}: {fault}.")


class _Witness(BaseTracer):
    """Hands on each run of a graph when it is over, with all that ran below it."""

    run_inline = True

    def __init__(self, take: Callable[[Run], None]) -> None:
        super().__init__(_schema_format="original+chat")
        self._take = take

    def _persist_run(self, run: Run) -> None:
        self._take(run)


class _Post:
    """Redacts and sends on a thread that no exit waits for longer than was said."""

    def __init__(self, chosen: Tracing, redact: Redact) -> None:
        self._chosen = chosen
        self._redact = redact
        self._scanning = Lock()
        self._queue: Queue[Run | None] = Queue(WAITING)
        self._taken = self._sent = 0
        self._fault = ""
        self._thread = Thread(target=self._work, name="traces", daemon=True)
        self._thread.start()

    def take(self, root: Run) -> None:
        self._taken += 1
        with suppress(Full):  # one more that was taken and not sent, which `close` tells
            self._queue.put_nowait(root)

    def close(self) -> str:
        """Let the last trace go, and say what went wrong."""
        with suppress(Full):
            self._queue.put_nowait(None)
        if self._scanning.acquire(timeout=RULES_SECONDS):
            self._scanning.release()
        self._thread.join(WAIT_SECONDS)
        # Kept for good: a thread that ends with the program must not end inside the scanner's own code.
        self._scanning.acquire(timeout=RULES_SECONDS)
        return self._fault or ("it does not answer" if self._sent < self._taken else "")

    def _work(self) -> None:
        try:
            self._cleaned("")  # the rules get ready while the question is looked up
            client = _client(self._chosen, self._failed)
            _connect(client)
            while root := self._queue.get():
                client.multipart_ingest(create=_told(root, self._chosen, self._cleaned))
                self._sent += 1
            client.close()
        except Exception as error:  # noqa: BLE001 -- whatever it is, the answer must not hear of it
            self._fault = self._fault or f"they could not be made ready ({type(error).__name__})"

    def _cleaned(self, text: str) -> str:
        with self._scanning:
            return self._redact(text)

    def _failed(self, error: Exception) -> None:
        name = type(error).__name__
        self._fault = REASONS.get(name, f"it answered with an error ({name})")


def _client(chosen: Tracing, failed: Callable[[Exception], None]) -> Client:
    """A client without threads, whose address and key are those of the settings and no others."""
    from langsmith import Client
    from urllib3 import Retry

    logging.getLogger("langsmith").addHandler(logging.NullHandler())  # one sentence at the end says it all
    return Client(
        chosen.endpoint,
        api_key=chosen.api_key or "",
        retry_config=Retry(total=0),
        auto_batch_tracing=False,
        omit_traced_runtime_info=True,
        info={},
        tracing_mode="langsmith",
        tracing_sampling_rate=1.0,
        tracing_error_callback=failed,
        disable_prompt_cache=True,
    )


def _connect(client: Client) -> None:
    """Open the connection while the answer is made: from afar, the last trace could not wait for that too."""
    with suppress(OSError):  # the base of all that requests raises; the first trace meets it again
        client.session.get(f"{client.api_url}/info", timeout=CONNECT_SECONDS)


def _told(root: Run, chosen: Tracing, redact: Redact) -> list[dict[str, Any]]:
    """A finished run and all below it, as LangSmith takes them, in plain JSON without secrets."""
    runs = list(_with_children(root))
    contents = [_contents(run) for run in runs]
    contents[0]["extra"]["metadata"] |= {**chosen.facts, **_scores(contents[0]["outputs"])}
    clean = _redacted(contents, redact)
    if clean is None:
        clean = [{"name": run.name, "extra": WITHHELD} for run in runs]
    return [_frame(run, chosen.project) | content for run, content in zip(runs, clean, strict=True)]


def _with_children(run: Run) -> Iterator[Run]:
    yield run
    for child in run.child_runs:
        yield from _with_children(child)


def _frame(run: Run, project: str) -> dict[str, Any]:
    """What places a run in its tree; nothing of it was written by a person."""
    return {
        "id": run.id,
        "trace_id": run.trace_id,
        "parent_run_id": run.parent_run_id,
        "dotted_order": run.dotted_order,
        "run_type": "llm" if run.run_type == "chat_model" else run.run_type,
        "start_time": run.start_time,
        "end_time": run.end_time,
        "session_name": project,
    }


def _contents(run: Run) -> dict[str, Any]:
    told: dict[str, Any] = to_jsonable_python(
        {name: getattr(run, name) for name in CONTENTS}, serialize_unknown=True, bytes_mode="base64"
    )
    metadata = told["extra"].setdefault("metadata", {})
    with suppress(KeyError, IndexError, TypeError):  # a run of another kind
        message = told["outputs"]["generations"][0][0]["message"]
        metadata["usage_metadata"] = message["kwargs"]["usage_metadata"]
    return told


def _scores(outputs: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a person filters traces by."""
    outputs = outputs or {}
    found = {
        name: outputs[name] for name in ("model", "best_score", "confidence", "abstained") if name in outputs
    }
    kept = outputs.get("sources") or [one["metadata"] for one in outputs.get("passages", [])]
    return found | {"scores": [one["score"] for one in kept]}


def _redacted(told: Any, redact: Redact) -> Any:
    """The same without secrets; None where a secret runs across the borders of its texts."""
    texts = list(dict.fromkeys(_texts(told)))
    clean = redact(BETWEEN.join(texts).encode("utf-8", "replace").decode()).split(BETWEEN)
    return _exchanged(told, dict(zip(texts, clean, strict=True))) if len(clean) == len(texts) else None


def _texts(told: Any) -> Iterator[str]:
    if isinstance(told, str):
        yield told
    elif isinstance(told, dict):
        for name, value in told.items():
            yield name
            yield from _texts(value)
    elif isinstance(told, list):
        for value in told:
            yield from _texts(value)


def _exchanged(told: Any, clean: Mapping[str, str]) -> Any:
    if isinstance(told, str):
        return clean[told]
    if isinstance(told, dict):
        return {clean[name]: _exchanged(value, clean) for name, value in told.items()}
    return [_exchanged(value, clean) for value in told] if isinstance(told, list) else told


def _shown(endpoint: str) -> str:
    from models.address import shown

    return shown(endpoint)
