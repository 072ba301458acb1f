"""The recall graph: retrieve → score_filter → augment. Compiled once; every mouth speaks through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graphs import nodes
from graphs.state import Question, Recall, State


@dataclass(frozen=True)
class Recalling:
    """What recall needs: a search, how much of it to keep, and how to put it into a prompt."""

    find: nodes.Find
    top_k: int
    min_score: float
    render: Callable[[Sequence[Document]], str]
    content_words: Callable[[str], list[str]]


def with_recall(graph: StateGraph[Any, Any, Any, Any], recalling: Recalling) -> None:
    """Add the three nodes of recall to a graph, which draws their edges."""
    graph.add_node("retrieve", nodes.retrieve(recalling.find, recalling.top_k, recalling.content_words))
    graph.add_node("score_filter", nodes.score_filter(recalling.min_score, recalling.top_k))
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
