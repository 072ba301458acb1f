"""What `doctor` looks at, from the ground up."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

import agent
from checks import machine, serving
from errors import PartMissing, StoreFailed
from parts import Parts
from proxy.access import first_key
from terminal.doctor import Check

LEAST_FREE_GB, PATIENCE_SECONDS = 1.0, 15.0


def checks(parts: Parts) -> Iterator[Check]:
    """The checks in the order in which one stands on another; none starts a server or builds an index."""
    folder = parts.settings.documents_dir
    yield Check("python", lambda: sys.version.split()[0], "use Python 3.11 or newer")
    yield Check("data folder", lambda: _writable(parts), "set DATA_DIR to a folder that can be written")
    yield Check("embedding model", lambda: _embeds(parts), "run `make setup`")
    yield Check("documents", lambda: _readable(parts), f"put PDF or TXT files into {folder}")
    yield Check("index", lambda: _indexed(parts), "run `python app.py index`", matters=False)
    yield Check("logs", lambda: _logged(parts), "run `make pull-local`, then `make ingest`", matters=False)
    yield Check("memory", lambda: _remembers(parts), "run `make ingest`", matters=False)
    yield Check("proxy", lambda: _proxied(parts), "run `make proxy` for a coding agent", matters=False)
    yield Check("agent", lambda: agent.told(parts), "run `python app.py vibe-config`", matters=False)
    yield from machine.checks(parts)
    yield from serving.checks(parts)


def _writable(parts: Parts) -> str:
    home = parts.settings.data_dir
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise StoreFailed(f"{home} cannot be written: {error.strerror}.") from error
    free = shutil.disk_usage(home).free / 1e9
    if free < LEAST_FREE_GB:
        raise StoreFailed(f"only {free:.1f} GB are free in {home}")
    return f"{home} ({free:.0f} GB free)"


def _embeds(parts: Parts) -> str:
    facts = parts.embedder.fingerprint()
    return f"{facts['model']}, {facts['dimension']} dimensions, gives the vectors that it should"


def _readable(parts: Parts) -> str:
    listing = parts.listing
    if not listing.sources:
        raise PartMissing(f"{parts.settings.documents_dir} holds no PDF or TXT file")
    left_out = sum(listing.left_out.values())
    return f"{len(listing.sources)} files" + (f", {left_out} of other kinds left out" if left_out else "")


def _indexed(parts: Parts) -> str:
    if not parts.index.is_current(parts.listing.sources):
        raise PartMissing("not of the files as they are now; the next question brings it up to date")
    unread = len(parts.index.problems())
    return "up to date" + (
        f", {unread} files could not be read: `python app.py index` names them" if unread else ""
    )


def _logged(parts: Parts) -> str:
    waiting = parts.memories.waiting()
    if not waiting["logs"]:
        raise PartMissing(f"no session logs in {parts.settings.data_dir}")
    formats = ", ".join(f"{count} of {name}" for name, count in waiting["formats"].items())
    detail = f"{waiting['logs']} session logs in {parts.settings.data_dir}: {formats}"
    if waiting["damaged"]:
        detail += f"; {waiting['damaged']} of them damaged: `make ingest` names them"
    if waiting["waiting"]:
        raise PartMissing(f"{detail}; {waiting['waiting']} new or changed since they were taken in")
    return detail


def _remembers(parts: Parts) -> str:
    held = parts.memories.stats()
    if not held["points"]:
        raise PartMissing("no past turns yet")
    _ = parts.memories.memory  # made by another model it would not open
    return f"{held['points']} turns of {held['sessions']} sessions, {held['store']}"


def _proxied(parts: Parts) -> str:
    from models.probe import Silent, readiness, within

    chosen = parts.settings
    address = f"http://{agent.host(chosen.rag_proxy_host)}:{chosen.rag_proxy_port}"
    key = first_key(chosen.rag_proxy_api_key.get_secret_value()) if chosen.rag_proxy_api_key else None
    try:
        found = within(PATIENCE_SECONDS, lambda: readiness(address, key))
    except Silent as error:
        raise PartMissing(f"{address} gives {error}") from error
    if found is None:
        raise PartMissing(f"nothing serves at {address}")
    reasons = "; ".join(f"{one['part']}: {one['reason']}" for one in found)
    return f"serves at {address}" + (f", degraded ({reasons})" if reasons else "")
