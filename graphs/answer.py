"""The answer graph: recall, then generate; or an answer without a model when nothing was recalled.

retrieve → score_filter ─┬→ augment → generate → END
                         └→ abstain → END
"""

from __future__ import annotations

from typing import Any

from langgraph.graph import END, StateGraph
from langgraph.graph.state import CompiledStateGraph

from graphs import nodes
from graphs.recall import Recalling, with_recall
from graphs.state import Answer, Least, Question, State


def answer_graph(
    recalling: Recalling, speaking: nodes.Speaking, checkpointer: Any = None
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """Question in, Answer out; the words come as custom stream events `{"text": ...}`.

    A checkpointer keeps what was said in each thread, and not what was looked up for it.
    """
    graph = StateGraph(State, input_schema=Question, output_schema=Answer)
    with_recall(graph, recalling)
    graph.add_node("generate", nodes.generate(speaking))
    least = Least(recalling.min_score, recalling.min_confidence)
    graph.add_node("abstain", nodes.abstain(least, speaking))
    graph.add_conditional_edges("score_filter", _found, ["augment", "abstain"])
    graph.add_edge("augment", "generate")
    graph.add_edge("generate", END)
    graph.add_edge("abstain", END)
    return graph.compile(checkpointer, name="answer")


def _found(state: State) -> str:
    return "augment" if state["passages"] else "abstain"
