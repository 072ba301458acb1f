"""The parts put together: documents, model and graphs, each made when it is first asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from errors import RecuerdoError
from terminal import chat
from voice import Voice

if TYPE_CHECKING:
    from langgraph.graph.state import CompiledStateGraph

    from graphs.nodes import Find
    from graphs.recall import Recalling
    from memories import Memories
    from settings import Settings

# So many turns are looked into for each item that is delivered.
MEMORY_SPARE = 8
# A token is three characters or more of what agents write.
CHARACTERS_A_TOKEN = 3
# The proxy gives a turn no more than a tenth of the model's context.
CONTEXTS = 10


class Parts(Voice):
    """A library that answers; in a thread, what was said is kept."""

    def __init__(self, chosen: Settings, thread: str | None = None) -> None:
        from stores.threads import named

        super().__init__(chosen)
        self._thread = named(thread) if thread else None

    @cached_property
    def _loop(self) -> asyncio.Runner:
        """One event loop for all answers; Ctrl-C cancels what runs on it."""
        return self._open.enter_context(asyncio.Runner())

    def warm(self) -> None:
        """Load what is slow before the first question needs it; a failure is met again there, and told."""
        with suppress(RecuerdoError):
            self.find("warm", 1)
            _ = self.answers, self.chat_model

    @cached_property
    def recalling(self) -> Recalling:
        """How passages are found, filtered and put into a prompt."""
        from graphs import prompts
        from graphs.recall import Recalling
        from stores.language import content_words, detect

        return Recalling(
            find=self.find,
            top_k=self.settings.documents_top_k,
            min_score=self.settings.min_score,
            min_confidence=self.settings.min_confidence,
            render=prompts.numbered,
            content_words=lambda text: content_words(text, detect(text)),
        )

    @cached_property
    def answers(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The answer graph over the documents and the model."""
        from graphs.answer import answer_graph
        from graphs.nodes import Speaking
        from stores.language import detect

        speaking = Speaking(
            model=lambda: self.chat_model,
            name=lambda: self.endpoint.model,
            detect=detect,
            brief=lambda: self.endpoint.kind == "embedded",
        )
        made = answer_graph(self.recalling, speaking, self._checkpointer)
        return made.with_config(callbacks=self.tracers)

    @cached_property
    def _checkpointer(self) -> Any:
        """What keeps the thread; None without one."""
        if self._thread is None:
            return None
        from stores.threads import threads

        opened = threads(self.settings.data_dir / "threads.db")
        made = self._loop.run(opened.__aenter__())
        self._open.callback(lambda: self._loop.run(opened.__aexit__(None, None, None)))
        return made

    @property
    def _held(self) -> dict[str, Any]:
        """How a run of the answer graph is tied to the thread: one checkpoint, at its end."""
        if self._thread is None:
            return {}
        return {"config": {"configurable": {"thread_id": self._thread}}, "durability": "exit"}

    def said(self) -> chat.History:
        """What was said in the thread before, oldest first."""
        from stores.threads import said

        if self._thread is None:
            return []
        return said(self._loop.run(self.answers.aget_state(self._held["config"])).values)

    @cached_property
    def recalls(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The recall graph over the documents; who looks for passages judges them himself."""
        from graphs.recall import recall_graph

        return recall_graph(replace(self.recalling, min_confidence=0)).with_config(callbacks=self.tracers)

    def recall(self, question: str, history: chat.History | None = None) -> dict[str, Any]:
        """What the recall graph finds and keeps for a question."""
        from langchain_core.messages import convert_to_messages

        found: dict[str, Any] = self.recalls.invoke(
            {"question": question, "history": convert_to_messages(history or [])}
        )
        return found

    def search(self, question: str) -> list[dict[str, Any]]:
        """The passages that are kept for a question, as `search --json` shows them."""
        from graphs.nodes import described

        return [described(passage) for passage in self.recall(question)["passages"]]

    @cached_property
    def memories(self) -> Memories:
        """What was said in earlier sessions."""
        return self.memories_of(self.settings.memory_owner)

    def memories_of(self, owner: str) -> Memories:
        """What one owner said in earlier sessions; "" is whoever uses this machine."""
        from memories import Memories

        if owner not in self._memories:
            made = Memories(self.settings, lambda: self.embedder, owner)
            self._memories[owner] = self._open.enter_context(made)
        return self._memories[owner]

    @cached_property
    def _memories(self) -> dict[str, Memories]:
        return {}

    def recalls_turns(
        self, find: Find, characters: int | None = None, min_confidence: float = 0
    ) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The recall graph over earlier sessions, by a search over them; it fills what a block may hold."""
        from graphs.block import FRAME, HEADER, INDENT, block
        from graphs.recall import Recalling, recall_graph
        from stores.language import content_words, detect
        from stores.telling import Room, told
        from tracing import hush

        hush()  # what the proxy looks up is never traced
        chosen = self.settings
        tokens = min(chosen.rag_max_tokens, chosen.max_model_len // CONTEXTS)
        shipped = Room(CHARACTERS_A_TOKEN * tokens - FRAME, HEADER, len(INDENT))
        room = Room(characters) if characters else shipped
        recalling = Recalling(
            find=find,
            top_k=chosen.memory_top_k,
            min_score=chosen.min_score,
            min_confidence=min_confidence,
            render=block,
            content_words=lambda text: content_words(text, detect(text)),
            spare=MEMORY_SPARE,
            choose=lambda turns, k, least: told(turns, k, least, room),
        )
        return recall_graph(recalling)

    @cached_property
    def _recalling_turns(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The recall graph over the sessions of whoever uses this machine."""
        return self.recalls_turns(self.memories.find).with_config(callbacks=self.tracers)

    def recall_turns(
        self, question: str, project: str | None = None, exclude_session: str | None = None
    ) -> list[dict[str, Any]]:
        """The past turns that are kept for a question, as `recall --json` shows them."""
        from graphs.nodes import remembered

        scope = {"project": project and self.memories.project(project), "exclude_session": exclude_session}
        found = self._recalling_turns.invoke({"question": question, "scope": scope})
        return [remembered(turn) for turn in found["passages"]]

    def ask(
        self, question: str, history: chat.History | None = None
    ) -> Generator[str | Mapping[str, Any], None, None]:
        """The pieces of an answer as they come, then the whole answer as a mapping."""
        pieces = self.streamed(self.answers, question, history or [])
        try:
            with suppress(StopAsyncIteration):
                while True:
                    yield self._loop.run(anext(pieces))
        finally:  # stopped half-way, this ends the model's stream too
            self._loop.run(pieces.aclose())

    async def streamed(
        self, graph: CompiledStateGraph[Any, Any, Any, Any], question: str, history: chat.History
    ) -> AsyncGenerator[str | Mapping[str, Any], None]:
        """The same on an event loop."""
        from langchain_core.messages import convert_to_messages

        from graphs.state import Answer

        given = {"question": question, "history": convert_to_messages(history)}
        keys = list(Answer.__annotations__)
        held = self._held
        events: Any = graph.astream(given, stream_mode=["custom", "values"], output_keys=keys, **held)
        whole: Any = {}
        with self.blaming():
            async with aclosing(events):
                async for mode, event in events:
                    if mode == "custom":
                        yield event["text"]
                    else:
                        whole = event
        yield whole
