"""The nodes: each takes the state and returns only the keys that it sets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, AnyMessage, BaseMessageChunk
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.config import get_stream_writer

from graphs import prompts
from graphs.citations import Citations, support
from graphs.followup import standalone
from graphs.state import Least, State


class Find(Protocol):
    """A store's search: the k most relevant passages, each with `score` (a cosine) in its metadata."""

    def __call__(self, question: str, k: int, **scope: Any) -> list[Document]:
        """Best first; a scope by the names that the store knows."""


# Of ranked passages the first k whose cosine reaches a minimum, or a better choice.
Choose = Callable[[Sequence[Document], int, float], list[Document]]


class Node(Protocol):
    """A step of a graph."""

    def __call__(self, state: State) -> dict[str, Any]:
        """The keys of the state that this step sets."""


@dataclass(frozen=True)
class Speaking:
    """What answering needs beyond recall, asked at each answer: a model is only looked for when needed.

    `brief` says that the model is a very small one, `detect` names the language of a text.
    """

    model: Callable[[], BaseChatModel]
    name: Callable[[], str]
    detect: Callable[[str], str]
    brief: Callable[[], bool] = lambda: False


def retrieve(find: Find, count: int, content_words: Callable[[str], list[str]]) -> Node:
    """Look up the question, or the question with those that it leans on."""

    def node(state: State) -> dict[str, Any]:
        query = standalone(state["question"], state.get("history", []), content_words)
        return {"query": query, "candidates": find(query, count, **state.get("scope", {}))}

    return node


def score_filter(least: Least, top_k: int, choose: Choose) -> Node:
    """Keep the best passages whose cosine reaches the minimum; none where none is likely to answer.

    How likely it is, the first top_k tell, whatever their cosines: that is asked of the store as a whole.
    """

    def node(state: State) -> dict[str, Any]:
        candidates = state["candidates"]
        best = max((candidate.metadata["score"] for candidate in candidates), default=None)
        sure = confidence(candidates[:top_k])
        likely = sure is None or sure >= least.confidence
        passages = choose(candidates, top_k, least.score) if likely else []
        return {"passages": passages, "best_score": best, "confidence": sure}

    return node


def confidence(passages: Sequence[Document]) -> float | None:
    """How likely it is that one of some passages answers; None where the store does not tell."""
    told = (passage.metadata.get("confidence") for passage in passages)
    return max((one for one in told if one is not None), default=None)


def augment(render: Callable[[Sequence[Document]], str]) -> Node:
    """Turn the passages into the text that a prompt will hold."""

    def node(state: State) -> dict[str, Any]:
        return {"context": render(state["passages"])}

    return node


def generate(speaking: Speaking) -> Runnable[State, dict[str, Any]]:
    """Ask the model; stream its words as custom events with every citation checked; keep the whole.

    On an event loop the answer can be cancelled at any moment; a blocking call ends with its stream.
    """

    def node(state: State) -> dict[str, Any]:
        reply = _Reply(state)
        for chunk in speaking.model().stream(_prompt(state, speaking)):
            reply.add(chunk)
        return reply.whole(speaking.name())

    async def on_loop(state: State) -> dict[str, Any]:
        reply = _Reply(state)
        model = await asyncio.to_thread(speaking.model)  # it may have to be started first
        async for chunk in model.astream(_prompt(state, speaking)):
            reply.add(chunk)
        return reply.whole(speaking.name())

    return RunnableLambda(node, on_loop, name="generate")


class _Reply:
    """An answer as it grows: what was said so far, and what it cites."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._write = get_stream_writer()
        self._citations = Citations(len(state["passages"]))
        self._message: BaseMessageChunk = AIMessageChunk(content="")
        self._said = ""

    def add(self, chunk: BaseMessageChunk) -> None:
        self._message += chunk
        self._say(self._citations.feed(str(chunk.text)))

    def whole(self, model: str) -> dict[str, Any]:
        self._say(self._citations.close())
        cited, passages = self._citations.used, self._state["passages"]
        added = None
        if not cited:
            texts = [passage.page_content for passage in passages]
            added = support(self._said, self._state["question"], texts)
        if added:
            cited = {added}
            self._say(f" [{added}]")
        return {
            "answer": self._said.strip(),
            "abstained": False,
            "model": model,
            "sources": sources(passages, cited),
            "removed_citations": self._citations.removed,
            "added_citations": int(bool(added)),
            "complete": self._message.response_metadata.get("finish_reason") not in {None, "length"},
        }

    def _say(self, text: str) -> None:
        if text:
            self._said += text
            self._write({"text": text})


def _prompt(state: State, speaking: Speaking) -> list[AnyMessage]:
    if speaking.brief():
        return prompts.brief(state["question"], state["passages"])
    return prompts.messages(state["question"], state["context"], state.get("history", []))


def abstain(least: Least, speaking: Speaking) -> Node:
    """Answer without a model: the documents do not hold it, and this is the nearest that they have."""

    def node(state: State) -> dict[str, Any]:
        nearest = max(state["candidates"], key=lambda found: found.metadata["score"], default=None)
        text = prompts.abstention(speaking.detect(state["question"]), nearest, least, state["confidence"])
        get_stream_writer()({"text": text})
        return {
            "answer": text,
            "abstained": True,
            "model": None,
            "sources": [],
            "removed_citations": 0,
            "added_citations": 0,
            "complete": True,
        }

    return node


def remembered(turn: Document) -> dict[str, Any]:
    """What was recalled as `recall --json` shows it, named by its best turn; what no log tells is null."""
    told = turn.metadata
    names = ("session_id", "project", "branch", "time", "title", "model", "score", "relevance", "confidence")
    facts = {name: told.get(name) for name in names}
    return {"id": turn.id, **facts, "turns": told.get("turns", [turn.id]), "text": turn.page_content}


def described(passage: Document) -> dict[str, Any]:
    """A passage as `search --json` shows it; `page` is null for a file without pages."""
    return {
        "file": passage.metadata["file"],
        "page": passage.metadata.get("page"),
        "score": passage.metadata["score"],
        "relevance": passage.metadata["relevance"],
        "confidence": passage.metadata.get("confidence"),
        "text": passage.page_content,
    }


def sources(passages: Sequence[Document], cited: set[int]) -> list[dict[str, Any]]:
    """The delivered passages as `ask --json` shows them, each with its number and whether it is cited."""
    return [
        {"n": number, "cited": number in cited, **described(passage)}
        for number, passage in enumerate(passages, start=1)
    ]
