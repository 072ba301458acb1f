"""Rules for secrets by what surrounds them, and how they are looked for: around words that come with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from loaders.secrets.values import Span, is_code, is_literal


class Rule(NamedTuple):
    """Where a secret stands; looked for around one of its triggers, which are in small letters."""

    kind: str
    triggers: str
    pattern: str
    accepts: Callable[[str], bool]
    before: int = 0
    after: int = 400


def given(value: str) -> bool:
    """Whether what stands where a command or a call takes a secret is one."""
    return is_literal(value) and not is_code(value) and not value.startswith("-")


class Search:
    """Rules made ready; to try each at every place of a text would take too long."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = [
            (rule, rule.triggers.split("|"), re.compile(rule.pattern, re.IGNORECASE)) for rule in rules
        ]

    def found(self, scan: str) -> Iterator[Span]:
        """What the rules find; the last named group that matched is the secret."""
        small = scan.lower()
        for rule, triggers, pattern in self._rules:
            for begin, end in _windows(small, rule, triggers):
                for found in pattern.finditer(scan, begin, end):
                    # At the window's end there may be more of it.
                    match = pattern.match(scan, found.start()) if found.end() == end else found
                    if match and rule.accepts(match[str(match.lastgroup)]):
                        yield Span(*match.span(str(match.lastgroup)), rule.kind)


def _windows(small: str, rule: Rule, triggers: list[str]) -> list[tuple[int, int]]:
    """Where the rule may apply; apart, so that together they are no longer than the text."""
    places = []
    for trigger in triggers:
        at = small.find(trigger)
        while at >= 0:
            places.append(at)
            at = small.find(trigger, at + 1)
    windows: list[tuple[int, int]] = []
    for at in sorted(places):
        begin, end = max(0, at - rule.before), at + rule.after
        if windows and begin <= windows[-1][1]:
            windows[-1] = (windows[-1][0], end)
        else:
            windows.append((begin, end))
    return windows
