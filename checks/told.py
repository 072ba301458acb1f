"""A check of `doctor` whose fix depends on what is found, so that it has looked before it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from errors import PartMissing, RecuerdoError
from terminal.doctor import Check


@dataclass(frozen=True)
class Told:
    """What a check found; with a fix where that is a fault."""

    detail: str
    fix: str | None = None


def looked(name: str, look: Callable[[], Told]) -> Check:
    """The check that has looked; the house runs without what it looks at."""
    try:
        told = look()
    except (RecuerdoError, OSError, ImportError) as error:
        told = Told(str(error), "see the README, “You have Ollama”")

    def detail() -> str:
        if told.fix is not None:
            raise PartMissing(told.detail)
        return told.detail

    return Check(name, detail, told.fix or "", matters=False)
