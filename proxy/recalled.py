"""What the proxy asks of the memory and what it gets: plain data, so that it knows no store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """A question: whose memory, which project and session it belongs to, and what the prompt holds already.

    `earlier` are the user's messages before the question, `answers` the assistant's, oldest first; `given`
    the ids of memories that earlier turns of the conversation were given.
    """

    question: str
    owner: str = ""
    project: str | None = None
    session: str | None = None
    earlier: Sequence[str] = ()
    answers: Sequence[str] = ()
    given: Sequence[str] = ()


@dataclass(frozen=True)
class Recalled:
    """What was found: what was looked up, every candidate, and the ids kept, most relevant first.

    `render(n)` is the block of the first n that were kept, `turns` the ids of all that each of them tells.
    Without a query there was nothing to look in.
    """

    query: str | None = None
    candidates: Sequence[Mapping[str, Any]] = ()
    kept: Sequence[str] = ()
    render: Callable[[int], str] = field(default=lambda count: "")
    turns: Sequence[Sequence[str]] = ()


# May take its time and may raise: it is asked on a thread of its own, under a deadline.
Recall = Callable[[Asked], Recalled]
