"""The answer graph for other programs: a typed question in, words as they come, a typed answer out."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from errors import RecuerdoError
from parts import Parts

LONGEST = 100_000


class Said(BaseModel):
    """Something that was said before the question."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["user", "assistant"]
    content: str = Field(max_length=LONGEST)


class Asked(BaseModel):
    """A question, and what was said before it, oldest first."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(pattern=r"\S", max_length=LONGEST)
    history: list[Said] = Field(default_factory=list, max_length=200)


class Source(BaseModel):
    """A passage that the model was given; `score` is a cosine."""

    n: int
    cited: bool
    file: str
    page: int | None
    score: float
    relevance: float
    confidence: float | None
    text: str


class Answered(BaseModel):
    """An answer; the fields of `ask --json`."""

    question: str
    answer: str
    abstained: bool
    best_score: float | None
    confidence: float | None
    model: str | None
    sources: list[Source]
    removed_citations: int
    added_citations: int
    complete: bool


def answers(parts: Parts) -> Any:
    """The answer graph for other programs: words as they come, then all that `ask --json` tells, no state."""
    from langchain_core.runnables import RunnableGenerator
    from langchain_core.runnables.utils import AddableDict

    one = threading.Lock()

    def ready() -> Any:
        with one, suppress(RecuerdoError):  # the answer that needs the model tells
            _ = parts.documents, parts.chat_model
        return parts.answers

    async def told(asked: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for one_asked in asked:
            given = Asked.model_validate(one_asked)
            graph = await asyncio.to_thread(ready)
            pieces = parts.streamed(graph, given.question, given.model_dump()["history"])
            async for piece in _trimmed(_apart(pieces)):
                yield AddableDict({"answer": piece} if isinstance(piece, str) else {**piece})

    return RunnableGenerator(told, name="rag").with_types(input_type=Asked, output_type=Answered)


async def _apart(pieces: AsyncGenerator[Any, None]) -> AsyncIterator[Any]:
    """The same pieces, made where no listeners of a caller are inherited: LangServe would tell every step."""
    from langchain_core.runnables.config import var_child_runnable_config

    context, end = contextvars.copy_context(), object()
    context.run(var_child_runnable_config.set, None)

    async def following() -> Any:
        return await anext(pieces, end)

    try:
        while (piece := await asyncio.create_task(following(), context=context)) is not end:
            yield piece
    finally:
        await pieces.aclose()


async def _trimmed(pieces: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Words without the white space around the whole, so that together they are the answer; then the rest."""
    begun, kept = False, ""
    async for piece in pieces:
        if not isinstance(piece, str):
            yield {name: value for name, value in piece.items() if name != "answer"}
            return
        text = kept + piece if begun else piece.lstrip()
        bare = text.rstrip()
        kept, begun = text[len(bare) :], begun or bool(bare)
        if bare:
            yield bare
