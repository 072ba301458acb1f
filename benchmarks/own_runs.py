"""Runs over a person's own documents as they are kept, and how two of them differ question by question.

DATA_DIR/benchmarks/<folder>-<hash>.json     the last run of each kind, with its questions
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from math import comb
from pathlib import Path
from typing import Any

from benchmarks.own_answers import Outcome, percent, rows
from benchmarks.own_questions import Question
from errors import StoreFailed
from stores.durable import replace

FORMAT = 1
COMPARED = ("date", "seed", "settings", "folder", "machine")
Run = dict[str, Any]


def last(file: Path, kind: str) -> Run | None:
    """The run of this kind that was kept last; None where there is none that can be read."""
    run = _kept(file).get(kind, {})
    with suppress(KeyError, TypeError):
        return {name: run[name] for name in COMPARED} | {
            "outcomes": [_outcome(row) for row in run["outcomes"]]
        }
    return None


def _kept(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, AttributeError, TypeError):
        told = json.loads(file.read_text(encoding="utf-8"))
        if told.get("format") == FORMAT:
            return dict(told["runs"])
    return {}


def _outcome(row: dict[str, Any]) -> Outcome:
    asked = row["question"]
    return Outcome(**{**row, "question": Question(**{**asked, "said": tuple(asked["said"])})})


def keep(file: Path, kind: str, run: Run) -> None:
    """Put a run in the place of the one before."""
    whole = {**run, "outcomes": [asdict(one) for one in run["outcomes"]]}
    told = {"format": FORMAT, "runs": {**_kept(file), kind: whole}}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace(file, json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise StoreFailed(f"The result cannot be written to {file}: {error.strerror}.") from error


def compared(before: Run, now: Run) -> dict[str, Any]:
    """What differs, on the questions that were asked both times."""
    asked = {one.question: one for one in before["outcomes"]}
    pairs = [(asked[one.question], one) for one in now["outcomes"] if one.question in asked]
    won = [new.question.text for old, new in pairs if new.delivered and not old.delivered]
    lost = [new.question.text for old, new in pairs if old.delivered and not new.delivered]
    told = {
        "with": before["date"],
        "questions": len(pairs),
        "won": won,
        "lost": lost,
        "chance": chance(len(won), len(lost)),
        "changed": changed(before, now),
    }
    if pairs:
        told["rows"] = _differences(*zip(*pairs, strict=True))
    return told


def _differences(old: Sequence[Outcome], new: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Ours then and now, on the same questions."""
    both = [("then", old), ("now", new)]
    return [
        {
            "when": when,
            **{name: value for name, value in rows(some)[-1].items() if name != "method"},
            "delivered": percent(sum(one.delivered for one in some), len(some)),
            "ms": round(sorted(one.ms["whole"] for one in some)[len(some) // 2], 2),
        }
        for when, some in both
    ]


def chance(won: int, lost: int) -> float:
    """How probable so uneven a difference is where only chance decides (two-sided sign test)."""
    changed, fewer = won + lost, min(won, lost)
    tail: float = sum(comb(changed, k) for k in range(fewer + 1)) / 2**changed
    return round(min(1.0, 2 * tail), 3)


def changed(before: Run, now: Run) -> list[dict[str, Any]]:
    """Settings, versions and sizes that are not what they were."""
    return [
        {"name": name, "then": before[part].get(name), "now": now[part].get(name)}
        for part in ("settings", "folder", "machine")
        for name in dict.fromkeys([*before[part], *now[part]])
        if before[part].get(name) != now[part].get(name)
    ]
