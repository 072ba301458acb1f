"""A tree of logs into the memory: listed, read where something changed, redacted, handed to the intake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loaders.vibe.logs import Listing, Log, read_log
from loaders.vibe.sessions import Reading, Session, documents, joined
from stores.intake import Intake
from stores.ledger import Ledger, Source

if TYPE_CHECKING:
    from loaders.secrets.redactor import Redactor

READER = "1"  # change it whenever the same log would be told otherwise
Group = list[tuple[Log, Reading]]


@dataclass(frozen=True)
class Ingest:
    """One run over one tree."""

    listing: Listing
    ledger: Ledger
    intake: Intake
    redactor: Redactor
    progress: Callable[[str, int, int], None]

    def run(self) -> None:
        """Take in every log that changed since it was last taken in."""
        known = self.ledger.signatures()
        changed = [log for log in self.listing.logs if known.get(str(log.path)) != self._signature(log)]
        waiting: Group = []
        for done, log in enumerate(changed):
            self.progress("taking in logs", done, len(changed))
            read = (log, read_log(log))
            # A compacted session goes on in another folder: the two are read together.
            waiting.append(read) if any(map(_goes_on, read[1].sessions)) else self._hand([read])
        self.intake.flush()
        if waiting:
            self._hand(self._with_relatives(waiting))
            self.intake.flush()

    def _hand(self, group: Group) -> None:
        whole = iter(joined([session for _, reading in group for session in reading.sessions]))
        for log, reading in group:
            sessions = [next(whole) for _ in reading.sessions]
            told, left_out = documents(sessions, self._redact)
            own = {session.id: session.parent for session in sessions if not session.subagent}
            source = Source(
                str(log.path), self._signature(log), own, left_out=dict(left_out), problems=reading.problems
            )
            self.intake.take(source, told)

    def _with_relatives(self, group: Group) -> Group:
        """The logs with those that their sessions go on from, or that go on from them."""
        logs = {str(log.path): log for log in self.listing.logs}
        found = {str(log.path): (log, reading) for log, reading in group}
        unseen = list(found.values())
        while unseen:
            _, reading = unseen.pop()
            for path in self._related(reading):
                if path in logs and path not in found:
                    found[path] = (logs[path], read_log(logs[path]))
                    unseen.append(found[path])
        return list(found.values())

    def _related(self, reading: Reading) -> Iterator[str]:
        for session in reading.sessions:
            for name in filter(None, (session.id, session.parent)):
                yield from self.ledger.paths_of(name)

    def _redact(self, text: str) -> tuple[str, int]:
        redacted = self.redactor.redact(text)
        return redacted.text, redacted.count

    def _signature(self, log: Log) -> str:
        return f"{READER} {self.redactor.version} {log.signature}"


def report(listing: Listing, ledger: Ledger, intake: Intake) -> dict[str, Any]:
    """What a tree holds; `new` and `changed` are what this run made of it."""
    names = {str(log.path): log.name for log in listing.logs}
    sources = [source for path, source in ledger.sources().items() if path in names]
    turns = {identity for source in sources for identity in source.turns}
    left_out: dict[str, int] = {}
    for source in sources:
        for why, count in source.left_out.items():
            left_out[why] = left_out.get(why, 0) + count
    redacted = ledger.redacted()
    problems = [
        {"file": names[source.path], "reason": reason} for source in sources for reason in source.problems
    ]
    taken = intake.taken
    return {
        "sessions": len({session for source in sources for session in source.sessions}),
        "turns": len(turns),
        "new": taken.new,
        "changed": taken.changed,
        "unchanged": len(turns) - taken.new - taken.changed,
        "skipped": sum(left_out.values()),
        "left_out": left_out,
        "redacted": sum(redacted.get(identity, 0) for identity in turns),
        "problems": sorted([*listing.problems, *problems], key=lambda row: row["file"]),
    }


def _goes_on(session: Session) -> bool:
    return bool(session.parent) or bool(session.turns and session.turns[-1].answer is None)
