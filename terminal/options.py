"""What several commands take: `--json`, and a question."""

from __future__ import annotations

from typing import Annotated

import typer

from errors import BadInput

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def worded(question: str) -> str:
    """The question, if it says something.

    Raises:
        BadInput: it does not.
    """
    if not question.strip():
        raise BadInput("The question is empty: put it in quotes after the command.")
    return question
