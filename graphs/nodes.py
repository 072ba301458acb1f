"""The nodes: each takes the state and returns only the keys that it sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessageChunk
from langgraph.config import get_stream_writer

from graphs import prompts
from graphs.citations import Citations
from graphs.followup import standalone
from graphs.state import State

# Passages below the minimum must not cost those above it their place: more are fetched than are delivered.
SPARE = 4


class Find(Protocol):
    """A store's search: the k most relevant passages, each with `score` (a cosine) in its metadata."""

    def __call__(self, question: str, k: int) -> list[Document]:
        """Best first."""


class Node(Protocol):
    """A step of a graph."""

    def __call__(self, state: State) -> dict[str, Any]:
        """The keys of the state that this step sets."""


def retrieve(find: Find, top_k: int, content_words: Callable[[str], list[str]]) -> Node:
    """Look up the question, or the question with those that it leans on."""

    def node(state: State) -> dict[str, Any]:
        query = standalone(state["question"], state.get("history", []), content_words)
        return {"query": query, "candidates": find(query, top_k * SPARE)}

    return node


def score_filter(min_score: float, top_k: int) -> Node:
    """Keep the best passages whose cosine reaches the minimum."""

    def node(state: State) -> dict[str, Any]:
        scores = [candidate.metadata["score"] for candidate in state["candidates"]]
        kept = [candidate for candidate in state["candidates"] if candidate.metadata["score"] >= min_score]
        return {"passages": kept[:top_k], "best_score": max(scores, default=None)}

    return node


def augment(render: Callable[[Sequence[Document]], str]) -> Node:
    """Turn the passages into the text that a prompt will hold."""

    def node(state: State) -> dict[str, Any]:
        return {"context": render(state["passages"])}

    return node


def generate(model: Callable[[], BaseChatModel], name: Callable[[], str]) -> Node:
    """Ask the model; stream its words as custom events with every citation checked; keep the whole.

    `model` is called for each answer, so that an endpoint is only looked for when it is needed.
    """

    def node(state: State) -> dict[str, Any]:
        write = get_stream_writer()
        citations = Citations(len(state["passages"]))
        whole: BaseMessageChunk = AIMessageChunk(content="")
        said = []
        prompt = prompts.messages(state["question"], state["context"], state.get("history", []))
        for chunk in model().stream(prompt):
            whole += chunk
            said.append(citations.feed(str(chunk.text)))
            write({"text": said[-1]})
        said.append(citations.close())
        write({"text": said[-1]})
        return {
            "answer": "".join(said).strip(),
            "abstained": False,
            "model": name(),
            "sources": sources(state["passages"], citations.used),
            "removed_citations": citations.removed,
            "complete": bool(whole.response_metadata.get("finish_reason")),
        }

    return node


def abstain(min_score: float, detect: Callable[[str], str]) -> Node:
    """Answer without a model: the documents do not hold it, and this is the nearest that they have."""

    def node(state: State) -> dict[str, Any]:
        nearest = max(state["candidates"], key=lambda found: found.metadata["score"], default=None)
        text = prompts.abstention(detect(state["question"]), nearest, min_score)
        get_stream_writer()({"text": text})
        return {
            "answer": text,
            "abstained": True,
            "model": None,
            "sources": [],
            "removed_citations": 0,
            "complete": True,
        }

    return node


def described(passage: Document) -> dict[str, Any]:
    """A passage as `search --json` shows it; `page` is null for a file without pages."""
    return {
        "file": passage.metadata["file"],
        "page": passage.metadata.get("page"),
        "score": passage.metadata["score"],
        "relevance": passage.metadata["relevance"],
        "text": passage.page_content,
    }


def sources(passages: Sequence[Document], cited: set[int]) -> list[dict[str, Any]]:
    """The delivered passages as `ask --json` shows them, each with its number and whether it is cited."""
    return [
        {"n": number, "cited": number in cited, **described(passage)}
        for number, passage in enumerate(passages, start=1)
    ]
