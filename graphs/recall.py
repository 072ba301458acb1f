"""The recall graph: retrieve → score_filter → augment. Compiled once; every mouth speaks through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graphs import nodes
from graphs.state import Least, Question, Recall, State


def first(passages: Sequence[Document], k: int, least: float) -> list[Document]:
    """The best k as they are ranked, of those whose cosine reaches the least."""
    return [passage for passage in passages if passage.metadata["score"] >= least][:k]


@dataclass(frozen=True)
class Recalling:
    """What recall needs: a search, how much of it to keep, and how to put it into a prompt."""

    find: nodes.Find
    top_k: int
    min_score: float
    render: Callable[[Sequence[Document]], str]
    content_words: Callable[[str], list[str]]
    # Passages below the minimum must not cost those above it their place: more are fetched than delivered.
    spare: int = 4
    choose: nodes.Choose = first
    # Below this nothing is kept, however near it is.
    min_confidence: float = 0.0


def with_recall(graph: StateGraph[Any, Any, Any, Any], recalling: Recalling) -> None:
    """Add the three nodes of recall to a graph, which draws their edges."""
    top_k, fetched = recalling.top_k, recalling.top_k * recalling.spare
    graph.add_node("retrieve", nodes.retrieve(recalling.find, fetched, recalling.content_words))
    least = Least(recalling.min_score, recalling.min_confidence)
    graph.add_node("score_filter", nodes.score_filter(least, top_k, recalling.choose))
    graph.add_node("augment", nodes.augment(recalling.render))
    graph.add_edge(START, "retrieve")
    graph.add_edge("retrieve", "score_filter")


def recall_graph(recalling: Recalling) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Question in, Recall out: what the proxy puts into a prompt."""
    graph = StateGraph(State, input_schema=Question, output_schema=Recall)
    with_recall(graph, recalling)
    graph.add_edge("score_filter", "augment")
    graph.add_edge("augment", END)
    return graph.compile(name="recall")
