"""What goes into the graphs, what travels through them, and what comes out."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, NotRequired

from langchain_core.documents import Document
from langchain_core.messages import AnyMessage
from langgraph.channels import UntrackedValue
from typing_extensions import TypedDict


class Question(TypedDict):
    """The input: a question, what was said before it (oldest first), and what the search is held to."""

    question: str
    history: NotRequired[list[AnyMessage]]
    scope: NotRequired[dict[str, Any]]


class Least(NamedTuple):
    """What passages must reach: each a cosine, and the best of them a likelihood of answering at all."""

    score: float
    confidence: float = 0.0


class Recall(TypedDict):
    """The output of the recall graph: what was looked up, what was kept, and the text for a prompt."""

    query: str
    candidates: list[Document]
    passages: list[Document]
    best_score: float | None
    confidence: float | None
    context: str


class Answer(TypedDict):
    """The output of the answer graph; the fields of `ask --json`."""

    question: str
    answer: str
    abstained: bool
    best_score: float | None
    confidence: float | None
    model: str | None
    sources: list[dict[str, Any]]
    removed_citations: int
    added_citations: int
    complete: bool


class State(Question, Recall, Answer):
    """Everything that a node may read; each returns only the keys that it sets.

    What was found is looked up anew for each question, and no checkpoint keeps it.
    """

    candidates: Annotated[list[Document], UntrackedValue]
    passages: Annotated[list[Document], UntrackedValue]
    context: Annotated[str, UntrackedValue]
