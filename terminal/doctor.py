"""Diagnosis: run every check, say what was found, and how to cure what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from errors import RecuerdoError


@dataclass(frozen=True)
class Check:
    """`look` gives what it found, or raises with what is wrong; a check that `matters` decides the exit."""

    name: str
    look: Callable[[], str]
    fix: str
    matters: bool = True


@dataclass(frozen=True)
class Finding:
    """A check that was run."""

    name: str
    ok: bool
    detail: str
    fix: str | None
    matters: bool


def examine(checks: Iterable[Check]) -> list[Finding]:
    """Run the checks in order; one that fails does not stop the others."""
    return [_finding(check) for check in checks]


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether everything that matters is well."""
    return all(finding.ok for finding in findings if finding.matters)


def rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The findings as `--json` shows them."""
    return [asdict(finding) for finding in findings]


def _finding(check: Check) -> Finding:
    try:
        return Finding(check.name, True, check.look(), None, check.matters)
    except (RecuerdoError, OSError, ImportError) as error:
        return Finding(check.name, False, str(error), check.fix, check.matters)
