"""What the proxy is handed: each owner's memory behind one recall, kept warm, and fed from the logs."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import lending
from errors import BadInput, NothingYet, RecuerdoError
from parts import Parts
from proxy.recalled import Asked, Recalled

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langgraph.graph.state import CompiledStateGraph

    from settings import Settings

LOCAL = "http://localhost:11434"
WATCH_SECONDS = 3.0
# Of the questions before only so many can be leaned on (graphs/followup.py).
LEANED_ON = 3


class Proxied:
    """The memories that a proxy speaks for."""

    def __init__(self, parts: Parts, owners: Sequence[str]) -> None:
        self._parts, self._owners = parts, owners or [""]
        self._graphs: dict[str, CompiledStateGraph[Any, Any, Any, Any]] = {}
        self._one = threading.Lock()
        self._problems: dict[str, str] = {}
        self._empty: set[str] = set()

    def recall(self, asked: Asked) -> Recalled:
        """What an owner's memory holds for a question; nothing where it is still empty."""
        try:
            self._parts.memories_of(asked.owner).must_hold_something()
            found = self._graph(asked.owner).invoke(_given(asked, self._project(asked)))
        except NothingYet as nothing:
            self._problems[asked.owner] = str(nothing)
            self._empty.add(asked.owner)
            return Recalled()
        except Exception as error:
            self._problems[asked.owner] = str(error)
            raise
        self._problems.pop(asked.owner, None)
        self._empty.discard(asked.owner)
        return _recalled(found)

    def nothing(self, owner: str) -> bool:
        """Whether an owner's memory certainly holds nothing; asked with every request, it never waits."""
        return self._parts.memories_of(owner).is_new()

    def lent(self) -> str | None:
        """Why the model server is away where a training is the reason; asked when it cannot be reached."""
        return lending.told(self._parts.settings.data_dir / lending.JOURNAL)

    def warm(self) -> None:
        """Load what the first question would have to wait for."""
        for owner in self._owners:
            with suppress(RecuerdoError):
                self.recall(Asked("warm", owner))
        if len(self._empty) < len(self._owners):  # of a question that is not looked up nothing is written
            self.redact("warm")

    def degraded(self) -> list[dict[str, str]]:
        """What does not serve at present."""
        problems = dict(self._problems).items()
        return [{"part": f"memory {owner}".strip(), "reason": reason} for owner, reason in problems]

    def redact(self, text: str) -> str:
        """A text without secrets."""
        return str(self._redactor.redact(text).text)

    def watch(self) -> None:
        """For ever: get ready for a memory that was empty, take in what is finished where that is wanted."""
        while True:
            time.sleep(WATCH_SECONDS)
            with suppress(Exception):  # whatever failed, it is tried again
                self._look()
            if self._empty:
                self.warm()

    @cached_property
    def _redactor(self) -> Any:
        from loaders.secrets.redactor import Redactor

        return Redactor(self._parts.settings.data_dir / "models" / "rules")

    @cached_property
    def _watching(self) -> Any:
        """A memory of the watching thread: its ledger belongs to that thread."""
        from memories import Memories

        chosen = self._parts.settings
        return Memories(chosen, lambda: self._parts.embedder, chosen.memory_owner)

    def _look(self) -> None:
        chosen = self._parts.settings
        vibe = chosen.vibe_home.expanduser() / "logs" / "session"
        root = {"off": None, "vibe": vibe, "data": chosen.data_dir}[chosen.rag_watch]
        if root and root.is_dir() and self._watching.waiting(root)["waiting"]:
            self._watching.ingest(root, quiet=True)

    def _graph(self, owner: str) -> CompiledStateGraph[Any, Any, Any, Any]:
        with self._one:
            if owner not in self._graphs:
                self._graphs[owner] = self._parts.recalls_turns(
                    self._finding(owner), min_confidence=self._parts.settings.min_confidence
                )
        return self._graphs[owner]

    def _finding(self, owner: str) -> Any:
        from graphs.present import absent

        memories = self._parts.memories_of(owner)

        def find(question: str, k: int, *, asked: Asked, **scope: str | None) -> list[Document]:
            found = memories.find(question, k + len(asked.given), **scope)
            new = [hit for hit in found if hit.id not in asked.given]
            return absent(new, asked.earlier, asked.answers)[:k]

        return find

    def _project(self, asked: Asked) -> str | None:
        """The project that a caller means; one that may be several finds nothing rather than too much."""
        if not asked.project or asked.project[0] in "/~." or "\\" in asked.project:
            return asked.project
        with suppress(BadInput):
            return self._parts.memories_of(asked.owner).project(asked.project)
        return asked.project


def _given(asked: Asked, project: str | None) -> dict[str, Any]:
    from langchain_core.messages import HumanMessage

    history = [HumanMessage(text) for text in asked.earlier[-LEANED_ON:]]
    scope = {"project": project, "exclude_session": asked.session, "asked": asked}
    return {"question": asked.question, "history": history, "scope": scope}


def _recalled(found: dict[str, Any]) -> Recalled:
    from graphs.block import block
    from graphs.nodes import remembered

    passages: list[Document] = found["passages"]
    turns = [passage.metadata["turns"] for passage in passages]
    told = {turn for those in turns for turn in those}
    left_out = {"text", "turns"}
    candidates = [
        {name: value for name, value in remembered(hit).items() if name not in left_out}
        | {"kept": hit.id in told}
        for hit in found["candidates"]
    ]
    return Recalled(
        found["query"],
        candidates,
        [str(passage.id) for passage in passages],
        lambda count: found["context"] if count == len(passages) else block(passages[:count]),
        turns,
    )


def serve(parts: Parts, announce: Any) -> None:
    """Serve the proxy of some settings until the process is told to end."""
    import sys

    from proxy import serve as serving
    from proxy.access import owners

    chosen = parts.settings
    keys = chosen.rag_proxy_api_key.get_secret_value() if chosen.rag_proxy_api_key else None
    key = chosen.openai_api_key.get_secret_value() if chosen.openai_api_key else None
    proxied = Proxied(parts, sorted(set(owners(keys).values())))
    wanted = serving.Wanted(
        chosen.rag_proxy_host,
        chosen.rag_proxy_port,
        upstream=upstream(chosen),
        home=chosen.data_dir / "proxy",
        keys=keys,
        upstream_key=key,
        hosts=tuple(filter(None, chosen.rag_proxy_hosts.replace(",", " ").split())),
        deadline_seconds=chosen.rag_deadline_ms / 1000,
        context=chosen.max_model_len,
        most_tokens=chosen.rag_max_tokens,
        log=sys.stderr,
    )
    remembering = serving.Remembering(
        proxied.recall,
        proxied.warm,
        proxied.degraded,
        proxied.redact,
        proxied.watch,
        proxied.nothing,
        proxied.lent,
    )
    serving.serve(wanted, remembering, announce)


def upstream(chosen: Settings) -> str:
    """The model server's address, without /v1."""
    return (chosen.rag_upstream_url or chosen.openai_base_url or LOCAL).rstrip("/").removesuffix("/v1")
