"""Logs to training rows: one JSON line a conversation, redacted, in a file that is whole or not there.

    python -m training rows --logs DIR --out FILE

The logs are read and redacted as for the memory. Beside FILE lies its manifest: the sha256 of the file and of
each row, the sessions, and what was left out for which reason.
"""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import BadInput
from loaders.vibe.logs import Log, list_logs, read_log
from loaders.vibe.times import stamp
from training import manifest, transcript
from training.chats import Unusable
from training.logs import Say, families, silent
from training.mending import mended
from training.near import Near
from training.redaction import Redaction
from training.threads import Choice, Thread, threads

if TYPE_CHECKING:
    from loaders.secrets.redactor import Redactor

VERSION = 1  # change it whenever the same logs would give other rows
NEARLY = "nearly the same as another row"


@dataclass
class _Making:
    """What is made of the logs, and what is not."""

    redaction: Redaction
    choice: Choice
    say: Say
    turns: int = 0
    calls: int = 0
    met: set[str] = field(default_factory=set)  # sessions
    told: set[str] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)  # turns
    dropped: Counter[str] = field(default_factory=Counter)  # rows
    repaired: Counter[str] = field(default_factory=Counter)  # steps

    def rows(self, found: Sequence[Sequence[Log]]) -> Iterator[tuple[dict[str, Any], int]]:
        """Each row, and how many turns are in it."""
        near = Near()
        for number, family in enumerate(found):
            self.say("making rows", number, len(found))
            sessions = [session for log in family for session in read_log(log, steps=True).sessions]
            self.met.update(session.id for session in sessions)
            for thread in threads(sessions, self.choice, self.redaction.text, self.left_out):
                row = self._row(thread)
                if row and near.repeats(transcript.words(row["messages"])):
                    self.dropped[NEARLY] += 1
                elif row:
                    self._count(thread, row)
                    yield row, len(thread.turns)

    def _row(self, thread: Thread) -> dict[str, Any] | None:
        first, within = thread.turns[0], self.redaction.within
        try:
            redacted = self.redaction.messages(transcript.messages(thread, self.repaired))
            said = mended(redacted, self.repaired)
        except Unusable as reason:
            self.dropped[str(reason)] += 1
            return None
        tools = within(transcript.offered(thread, said))
        return {
            "messages": said,
            **({"tools": tools} if tools else {}),
            "session": thread.root,
            "sessions": thread.sessions,
            "turns": thread.names,
            "project": within(first.session.project),
            "time": stamp(first.turn.time or first.session.started),
        }

    def _count(self, thread: Thread, row: dict[str, Any]) -> None:
        self.turns += len(thread.turns)
        self.calls += sum(len(message.get("tool_calls", ())) for message in row["messages"])
        self.told.update(thread.sessions)

    def facts(self) -> dict[str, Any]:
        """What came of it, for the manifest and for a person."""
        allowed = self.choice.allowed
        return {
            "turns": self.turns,
            "tool_calls": self.calls,
            "sessions": sorted(self.told),
            "left_out": _sorted(self.left_out),
            "dropped": _sorted(self.dropped),
            "repaired": _sorted(self.repaired),
            "redacted": self.redaction.count,
            "not_found": sorted(allowed - self.met) if allowed is not None else [],
        }


def rows(
    logs: Path, out: Path, redactor: Redactor, choice: Choice | None = None, say: Say = silent
) -> dict[str, Any]:
    """Write a row for each conversation below a folder; what was made of it, and what was not.

    Raises:
        BadInput: no logs there, nothing in them to learn from, or something else lies at `out`.
        StoreFailed: the disk did not take it; an older file is as it was.
    """
    started = time.monotonic()
    manifest.must_be_ours(out)
    choice = choice or Choice()
    listing = list_logs(logs, choice.passed_over)
    found, problems = families([log for log in listing.logs if not _is_rows(log, out)], say)
    making = _Making(Redaction(redactor), choice, say)
    facts: dict[str, Any] = {"logs": sum(map(len, found))}
    with manifest.appearing(out, facts) as file:
        for row, turns in making.rows(found):
            file.add(row, {name: row[name] for name in ("session", "sessions")} | {"turns": turns})
        facts |= making.facts() | {"versions": _versions(redactor)}
        facts["problems"] = sorted([*listing.problems, *problems], key=lambda row: row["file"])
        if not file.count:
            raise BadInput(_nothing(logs, out, facts))
    told = {"file": str(out), "rows": file.count, "sha256": file.sha256}
    return {**told, **facts, "seconds": round(time.monotonic() - started, 3)}


def _is_rows(log: Log, out: Path) -> bool:
    """Whether what looks like a log are rows: this file, or one that was made before."""
    return log.path.resolve() == out.resolve() or manifest.beside(log.path).is_file()


def _versions(redactor: Redactor) -> dict[str, str]:
    return {"rows": str(VERSION), "redaction": redactor.version, "python": platform.python_version()}


def _nothing(logs: Path, out: Path, facts: dict[str, Any]) -> str:
    reasons = [f"{count} {why}" for why, count in (facts["left_out"] | facts["dropped"]).items()]
    older = f" {out} is as it was made before." if out.exists() else ""
    return f"{logs} holds nothing to learn from: {', '.join(reasons) or 'there are no sessions'}.{older}"


def _sorted(counted: Counter[str]) -> dict[str, int]:
    return {why: count for why, count in sorted(counted.items()) if count}
