"""Sessions of Vibe 3.x: a store of generations, chunks and a journal, read from whichever part is whole."""

from pathlib import Path

from loaders.vibe.folder import read_header
from loaders.vibe.headers import describe
from loaders.vibe.salvage import Record
from loaders.vibe.sessions import Reading, Session
from loaders.vibe.times import moment
from loaders.vibe.unified_files import Fault, generations, load_object, read_bytes
from loaders.vibe.unified_history import History, replay_journal, snapshot
from loaders.vibe.unified_salvage import salvaged
from loaders.vibe.unified_sent import keep_sent, sent
from loaders.vibe.unified_steps import keep_steps
from loaders.vibe.unified_turns import turns_of

_FORMAT = "mistral.vibe.unified-session-store/v1"  # whatever its minor version
_TRIES = 8


class _Refused(Exception):
    """A store in another format, of which nothing is known."""


def read_unified(folder: Path, steps: bool = False) -> Reading:
    """The one session of the store. A running session replaces files; then it is read again."""
    for _ in range(_TRIES):
        before = _pointer_bytes(folder)
        reading = _attempt(folder, steps)
        if not reading.problems or _pointer_bytes(folder) == before:
            break
    return reading


def _attempt(folder: Path, steps: bool) -> Reading:
    """What can be read now."""
    faults: list[Fault] = []
    try:
        pointer = _pointer(folder, faults)
    except _Refused as refusal:
        return Reading([], [str(refusal)])
    history, damage = _history(folder, pointer, faults)
    problems = list(dict.fromkeys(damage))
    if not history.entries and problems:
        return Reading([], problems)
    session, problem = _session(folder, pointer, history)
    if steps:
        keep_steps(session.turns, history)
        keep_sent(session.turns, sent(folder))
    if problem:
        problems.append(problem)
    return Reading([session], problems)


def _pointer(folder: Path, faults: list[Fault]) -> Record:
    """What CURRENT says; empty where it cannot be trusted."""
    try:
        pointer = load_object(folder, "CURRENT")
    except Fault as fault:
        faults.append(fault)
        return {}
    known = pointer.get("store_format")
    if not isinstance(known, str):
        faults.append(Fault("CURRENT is damaged: it names no store format"))
        return {}
    if known != _FORMAT:
        raise _Refused(f"CURRENT names the store format {known!r}, which is not known here")
    if pointer.get("generation") not in generations(folder):
        faults.append(Fault("CURRENT names a generation that is not there"))
        return {}
    return pointer


def _history(folder: Path, pointer: Record, faults: list[Fault]) -> tuple[History, list[str]]:
    """The history from CURRENT's generation, else from the newest that its journal brings up to date."""
    current = pointer.get("generation")
    others = [name for name in generations(folder) if name != current]
    damage: list[str] = []
    for name in [current, *others] if isinstance(current, str) else others:
        try:
            history, manifest = snapshot(folder, name, _expected(pointer) if name == current else None)
            if name == current and manifest.get("session_id") != pointer.get("session_id"):
                raise Fault("CURRENT names a generation of another session")
        except Fault as fault:
            faults.append(fault)
            continue
        found = replay_journal(folder, history, manifest)
        damage += found
        if name == current:
            return history, damage
        if not history.gaps:
            return history, _told(faults, f"generation {name} and the journal served") + damage
    history, found = salvaged(folder)
    return history, _told(faults, "what can still be read was put together") + damage + found


def _told(faults: list[Fault], remedy: str) -> list[str]:
    return [f"{fault}; {remedy}" for fault in faults]


def _expected(pointer: Record) -> str:
    digest = pointer.get("manifest_sha256")
    return digest if isinstance(digest, str) else ""


def _session(folder: Path, pointer: Record, history: History) -> tuple[Session, str | None]:
    about = history.session
    named = next((entry["sessionId"] for entry in history.entries.values() if entry.get("sessionId")), None)
    identity = about.get("id") or named or pointer.get("session_id") or folder.name
    session = Session(str(identity), "3.x", turns=turns_of(history))
    parent = about.get("parentSessionId")
    session.subagent = bool(parent) or folder.name.startswith("child-")
    header, problem = read_header(folder / "meta.json")
    describe(session, header)
    session.started = session.started or moment(about.get("createdAt"))
    title = about.get("title")
    if session.title is None and isinstance(title, str) and title.strip():
        session.title = title
    return session, None if session.subagent and not header else problem


def _pointer_bytes(folder: Path) -> bytes:
    try:
        return read_bytes(folder, "CURRENT")
    except Fault:
        return b""
