"""LoCoMo's conversations as memories: what was said, some messages at a time, and what is asked of it.

A unit is so many messages of one session, in their order and without overlap, as turns are.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langchain_core.documents import Document

from errors import BadInput

EVIDENCE = re.compile(r"D:?(\d+):0*(\d+)")
DATE = re.compile(r"(\d+) (\w+),? (\d{4})")
MULTI_HOP = 1


@dataclass(frozen=True)
class Asked:
    """A question, what kind it is (1: multi-hop), and the messages that hold its answer."""

    question: str
    category: int
    evidence: frozenset[str]


@dataclass(frozen=True)
class Conversation:
    """What two people said: the text of each message, the units to remember, and the questions."""

    name: str
    lines: dict[str, str]
    units: list[Document]
    asked: list[Asked]


def load(data: Path, messages: int) -> list[Conversation]:
    """Read a file in LoCoMo's schema, with units of so many messages.

    Raises:
        BadInput: it is none.
    """
    try:
        return [_conversation(given, messages) for given in json.loads(data.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{data} is no file in LoCoMo's schema (a list with `conversation` and `qa`)."
        ) from error


def _conversation(given: dict[str, Any], messages: int) -> Conversation:
    told = given["conversation"]
    numbers = sorted(int(key.removeprefix("session_")) for key in told if re.fullmatch(r"session_\d+", key))
    lines: dict[str, str] = {}
    units: list[Document] = []
    for number in numbers:
        turns = told[f"session_{number}"]
        said = {_name(turn["dia_id"]): f"{turn['speaker']}: {turn['text'].strip()}" for turn in turns}
        lines |= said
        names = list(said)
        groups = [names[start : start + messages] for start in range(0, len(names), messages)]
        common = {
            "session_id": f"{given['sample_id']} {number}",
            "project": given["sample_id"],
            "time": _day(told.get(f"session_{number}_date_time", "")),
            "speakers": [told["speaker_a"], told["speaker_b"]],
        }
        units += [_unit(place, group, said, common) for place, group in enumerate(groups, start=1)]
    found = ((row, _evidence(row, lines)) for row in given["qa"])
    asked = [Asked(row["question"], row["category"], evidence) for row, evidence in found if evidence]
    return Conversation(given["sample_id"], lines, units, asked)


def _unit(place: int, group: list[str], said: dict[str, str], common: dict[str, Any]) -> Document:
    identity = f"{common['session_id']} {group[0]}"
    own = {
        "identity": identity,
        "alike": hashlib.sha256(identity.encode()).hexdigest(),
        "turn": group[0],
        "place": place,
        "agent": "locomo",
        "branch": None,
        "started": common["time"],
        "title": None,
        "model": None,
        "redacted": 0,
        "lines": group,
    }
    return Document("\n".join(said[name] for name in group), metadata=common | own)


def _evidence(row: dict[str, Any], lines: dict[str, str]) -> frozenset[str]:
    named = {f"D{session}:{turn}" for text in row["evidence"] for session, turn in EVIDENCE.findall(text)}
    return frozenset(named & lines.keys())


def _name(dia_id: str) -> str:
    (found,) = EVIDENCE.findall(dia_id)
    return f"D{found[0]}:{found[1]}"


def _day(text: str) -> str | None:
    found = DATE.search(text)
    if not found:
        return None
    return datetime.strptime(" ".join(found.groups()), "%d %B %Y").replace(tzinfo=UTC).isoformat()
