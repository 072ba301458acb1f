"""Whether an adapter acts: base and adapter answer the same, and their answers or their odds must differ.

A server answers 200 to an adapter whose keys it does not know, and lists it: that proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

# The odds of one model differ less than this between two runs, batches or kernels.
NOISE = 0.05


@dataclass(frozen=True)
class Said:
    """An answer at temperature 0, and how likely each of its first tokens was (natural logarithms)."""

    text: str
    logprobs: Sequence[float]


class Ask(Protocol):
    """One of the two models."""

    def __call__(self, messages: Sequence[Mapping[str, Any]]) -> Said:
        """Its answer."""


@dataclass(frozen=True)
class Probe:
    """A prompt, and the words that only an adapter that learnt them can say ("": any difference will do)."""

    messages: Sequence[Mapping[str, Any]]
    canary: str = ""


def proven(probes: Sequence[Probe], base: Ask, adapter: Ask) -> dict[str, Any]:
    """Whether the adapter changed anything, and the answers to the probe that shows it, else to the first."""
    shown: dict[str, Any] = {}
    for probe in probes:
        one, other = base(probe.messages), adapter(probe.messages)
        facts = {
            "changed": _changed(probe.canary, one, other),
            "question": str(probe.messages[-1]["content"]),
            "base_answer": one.text,
            "adapter_answer": other.text,
            "largest_difference": _difference(one, other),
        }
        shown = shown or facts
        if facts["changed"]:
            return facts
    return shown


def _changed(canary: str, base: Said, adapter: Said) -> bool:
    if canary:
        return canary in adapter.text and canary not in base.text
    if base.logprobs and adapter.logprobs:  # two answers may part where two tokens are equally likely
        return _difference(base, adapter) > NOISE
    return base.text != adapter.text


def _difference(base: Said, adapter: Said) -> float:
    pairs = zip(base.logprobs, adapter.logprobs, strict=False)
    return round(max((abs(one - other) for one, other in pairs), default=0.0), 4)
