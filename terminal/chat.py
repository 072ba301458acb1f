"""Questions and answers, on a terminal with a prompt and history, on a pipe one question a line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from errors import RecuerdoError
from terminal import show

LEAVING = {"salir", "exit", "quit"}
PROMPT = "» "
REMEMBERED = 6

# What was said before, oldest first: ("human" or "ai", text).
History = list[tuple[str, str]]
# A question and what was said before it; yields pieces of the answer, then the whole answer as a mapping.
Ask = Callable[[str, History], Generator[str | Mapping[str, Any], None, None]]


def talk(ask: Ask, questions: Iterator[str], said: History) -> RecuerdoError | None:
    """Answer each question until one of them says goodbye; a failure costs its question and no more.

    `said` is what was said before. Returns the last failure, if there was one.
    """
    history = [*said]
    failure: RecuerdoError | None = None
    for line in questions:
        question = line.strip()
        if question.lower() in LEAVING:
            break
        if not question:
            continue
        try:
            answer = say(ask(question, history[-REMEMBERED:]))
        except RecuerdoError as error:
            failure = error
            show.note(str(error))
            continue
        except KeyboardInterrupt:
            show.note("stopped")
            continue
        if not answer["abstained"]:
            history += [("human", question), ("ai", answer["answer"])]
    return failure


def say(pieces: Generator[str | Mapping[str, Any], None, None]) -> Mapping[str, Any]:
    """Write an answer as it comes, then its sources; give the whole."""
    answer: Mapping[str, Any] = {}
    try:
        with closing(pieces):  # so that stopping half-way ends the model's stream too
            for piece in pieces:
                if isinstance(piece, str):
                    sys.stdout.write(piece)
                    sys.stdout.flush()
                else:
                    answer = piece
    finally:
        sys.stdout.write("\n")
    show.sources(answer["sources"])
    remarks(answer)
    sys.stdout.write("\n")
    sys.stdout.flush()
    return answer


def remarks(answer: Mapping[str, Any]) -> None:
    """What a reader must know about an answer beyond its words."""
    if not answer["complete"]:
        show.note("The model stopped before the end of its answer: what you see may be cut off.")
    elif answer["sources"] and not any(source["cited"] for source in answer["sources"]):
        show.note("The answer cites no passage: check it against the sources.")
    if count := answer["removed_citations"]:
        show.note(f"{count} citation{'s' if count > 1 else ''} to no passage removed.")


def from_pipe() -> Iterator[str]:
    """One question a line of standard input."""
    yield from sys.stdin


def from_terminal(history: Path, on_prompt: Callable[[], None]) -> Iterator[str]:
    """Questions typed at a prompt; `on_prompt` is called once the first prompt is on the screen."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import FileHistory

    history.parent.mkdir(parents=True, exist_ok=True)
    history.touch(mode=0o600)
    session: PromptSession[str] = PromptSession(history=FileHistory(str(history)))
    waiting = on_prompt
    while True:
        try:
            yield session.prompt(PROMPT, pre_run=waiting)
        except EOFError:
            return
        except KeyboardInterrupt:
            continue
        waiting = _nothing


def _nothing() -> None:
    """After the first prompt there is nothing left to start."""
