"""The graphs for LangGraph's own server, which finds them by langgraph.json, each made when it is asked."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import settings
from parts import Parts


def answer() -> Any:
    """The answer graph over the documents and the model: a question in, a cited answer out."""
    return _parts().answers


def recall() -> Any:
    """The recall graph over the documents: a question in, passages and a text for a prompt out; no model."""
    return _parts().recalls


@lru_cache
def _parts() -> Parts:
    return Parts(settings.load())
