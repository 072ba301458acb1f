"""The public history of a unified session: a generation's snapshot, and the journal replayed upon it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loaders.vibe.json_lines import read_lines
from loaders.vibe.salvage import Damage, Record, Shape
from loaders.vibe.unified_files import Fault, load_chunk, load_object, segments

IN_PROGRESS = "in_progress"
_FIELDS = frozenset({"payload", "previous_record_sha256", "record_sha256", "sequence", "type"})
JOURNAL = Shape(
    lambda record: isinstance(record.get("type"), str) and isinstance(record.get("payload"), dict),
    lambda _: _FIELDS,
)


@dataclass
class History:
    """Entries by id in their order, and what is said of the session and of its latest turn.

    `gaps` counts the places where entries are lost. `ended` are the turns known to be over, where that has
    to be proven because pieces were put together; None where the order itself shows it.
    """

    entries: dict[str, Record] = field(default_factory=dict)
    session: Record = field(default_factory=dict)
    latest_turn: Record = field(default_factory=dict)
    watermark: int | None = None
    sequence: int | None = None  # of the last record that is in it
    snapshot_sequence: int = -1
    gaps: int = 0
    ended: set[str] | None = None

    def append(self, entry: Any) -> None:
        """Add an entry, or put it in the place of the one with its id."""
        if isinstance(entry, dict) and isinstance(entry.get("id"), str):
            self.entries[entry["id"]] = entry

    def tell(self, snapshot: Any) -> None:
        """Take what a snapshot or an envelope says of the session; never its entries."""
        if isinstance(snapshot, dict):
            self.session = mapping(snapshot.get("session")) or self.session
            self.latest_turn = mapping(snapshot.get("latestTurn")) or self.latest_turn

    def lose(self) -> None:
        """Note that entries are lost here: in the turn that was in progress, if one was."""
        self.gaps += 1
        running = self.latest_turn.get("status") == IN_PROGRESS
        if running or not self.latest_turn:
            last = next(reversed(self.entries.values()), {})
            turn = self.latest_turn.get("id") or last.get("turnId")
            self.append({"type": "gap", "id": f"gap {self.gaps}", "turnId": turn})


def snapshot(folder: Path, generation: str, digest: str | None) -> tuple[History, Record]:
    """The history as a generation holds it, and its manifest; raises Fault unless all of it is whole."""
    place = f"generations/{generation}"
    manifest = load_object(folder, f"{place}/manifest.json", digest)
    state = mapping(manifest.get("projection_state"))
    if not isinstance(state.get("sha256"), str):
        raise Fault(f"{place}/manifest.json is damaged: it names no projection state")
    name = Path(str(state.get("path") or "projection-state.json")).name
    projection = load_object(folder, f"{place}/{name}", state["sha256"])
    shot = mapping(projection.get("snapshot"))
    history = History()
    history.tell(shot)
    watermark = projection.get("watermark")
    history.watermark = watermark if isinstance(watermark, int) else None
    for entry in listed(mapping(shot.get("history")).get("entries")):
        history.append(entry)
    for chunk in listed(state.get("chunks")):
        for entry in load_chunk(folder, chunk):
            history.append(entry)
    return history, manifest


def replay_journal(folder: Path, history: History, manifest: Record) -> list[str]:
    """Bring a snapshot up to date with its segment of the journal and those after it; what is wrong there."""
    own = Path(str(mapping(manifest.get("recovery_journal_segment")).get("path") or "")).name
    first = int(Path(own).stem) if Path(own).stem.isdecimal() else 0
    after = manifest.get("snapshot_sequence")
    if isinstance(after, int):
        history.sequence = history.snapshot_sequence = after
    found = [(number, name) for number, name in segments(folder) if number >= first]
    problems = []
    if own and own not in {name for _, name in found}:
        problems.append(f"journal/{own} is missing")
    for number, name in found:
        if history.sequence is not None and history.sequence < number - 1:
            history.lose()
            if not problems:
                problems.append(f"journal/{name} does not follow on what was written before it")
        problems += _replay(folder, f"journal/{name}", history)
    return problems


def apply(history: History, operation: Any) -> bool:
    """Do one operation of a delta; False for one that is not known."""
    given = mapping(operation)
    match given.get("op"):
        case "append_entry" | "replace_entry":
            history.append(given.get("entry"))
        case "remove_entry":
            history.entries.pop(str(given.get("id")), None)
        case "set_history_entries":
            history.entries.clear()
            for entry in listed(given.get("entries")):
                history.append(entry)
        case "set_envelope":
            history.tell(given.get("state"))
        case _:
            return False
    return True


def _replay(folder: Path, name: str, history: History) -> list[str]:
    problems = []
    doubt = False  # damage that may have held a delta
    try:
        with (folder / name).open("rb") as file:
            for piece in read_lines(file, JOURNAL):
                if isinstance(piece, Damage):
                    problems.append(f"{name}, line {piece.place}: {piece.what}; the rest was kept")
                    doubt = doubt or not piece.nothing_lost
                elif _advance(history, piece.record, doubt):
                    doubt = False
    except OSError as error:
        problems.append(f"{name} cannot be read: {error.strerror}")
    return problems


def _advance(history: History, record: Record, doubt: bool) -> bool:
    """Take one record; False where it is none of the public history, or is in the snapshot already."""
    sequence = record.get("sequence")
    if isinstance(sequence, int):
        if sequence <= history.snapshot_sequence:
            return False
        history.sequence = sequence
    if record.get("type") != "projection_delta":
        return False
    payload = mapping(record.get("payload"))
    watermark = payload.get("watermark")
    if isinstance(watermark, int) and history.watermark is not None:
        doubt = watermark > history.watermark + 1  # deltas are counted, so a missing one shows
    if doubt:
        history.lose()
    history.watermark = watermark if isinstance(watermark, int) else None
    for operation in listed(payload.get("delta")):
        if not apply(history, operation):
            history.lose()
    return True


def mapping(value: Any) -> Record:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    """The value where it is an array, else an empty one."""
    return value if isinstance(value, list) else []
