"""From DATA_DIR to the bucket: contents first, the manifest last."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bucket.files import Found, Here, Home, Say, look
from bucket.known import Known
from bucket.manifest import LARGEST_FILE, Entry, Manifest, parse
from bucket.names import conflict, is_tombstones
from bucket.place import Fault, reading, told
from bucket.plan import Fate, allow, fate
from bucket.server import Bucket
from bucket.tombstones import LARGEST, digest, union
from stores.lock import held

# A killed push's objects are used again for so long, and swept after so long: never both at once.
RESUMED, SWEPT = timedelta(hours=12), timedelta(hours=36)


@dataclass
class Push:
    """One push; `files` becomes the new manifest."""

    home: Home
    bucket: Bucket
    known: Known
    before: Manifest
    found: Found
    say: Say
    dry: bool
    files: dict[str, Entry] = field(default_factory=dict)
    strange: list[Any] = field(default_factory=list)
    problems: list[dict[str, str]] = field(default_factory=list)
    planned: dict[str, str] = field(default_factory=dict)
    sent: dict[str, Entry] = field(default_factory=dict)
    pushed: int = 0
    unchanged: int = 0
    bytes: int = 0


def push(
    home: Home, bucket: Bucket, *, delete: bool = False, dry_run: bool = False, say: Say = lambda *_: None
) -> dict[str, Any]:
    """Bring the bucket up to what is here: only new contents travel, and what is not here stays there.

    Raises:
        BadInput: `delete` would remove more than a tenth. Locked: another push was faster.
        PartMissing: the bucket cannot be reached. StoreFailed: its manifest is damaged.
    """
    started = time.monotonic()
    with held(home.own / "lock"):
        known = Known.load(home.own / "state.json", bucket.uri)
        there = bucket.manifest()
        before = parse(there[0], home.ours) if there else Manifest()
        run = Push(home, bucket, known, before, look(home, known, say), say, dry_run)
        run.problems += [*before.problems, *run.found.problems()]
        run.strange = before.strange
        doomed = _doomed(run) if delete else set()
        deleted = len(doomed) + len(before.strange) - len(run.strange)
        if not dry_run:
            known.save()
        _find(run)
        run.files = {path: at for path, at in before.files.items() if path not in doomed}
        _send(run)
        if not dry_run:
            _publish(run, there[1] if there else None)
            if delete:
                _sweep(run)
    return {
        "pushed": run.pushed,
        "unchanged": run.unchanged,
        "deleted": deleted,
        "bytes": run.bytes,
        "seconds": round(time.monotonic() - started, 3),
        "problems": run.problems,
    }


def _doomed(run: Push) -> set[str]:
    if run.found.blind:
        run.problems.append({"file": ".", "reason": "nothing was deleted: not every folder could be opened"})
        return set()
    kept = {*run.found.files, *run.found.unread}
    kept |= {conflict(path, here.sha256) for path, here in run.found.files.items()}
    doomed = {path for path in run.before.files if path not in kept and not is_tombstones(path)}
    total = len(run.before.files) + len(run.strange)
    allow(len(doomed) + len(run.strange), total, f"in {run.bucket.uri}")
    run.strange = []
    return doomed


def _find(run: Push) -> None:
    """The contents that need not travel: what the manifest names, and what a killed push sent already."""
    since = datetime.now(UTC) - RESUMED
    sizes: dict[str, int] = {}
    mine = f"objects/{run.known.push}/"
    for key, size, written in run.bucket.stored():
        sizes[key] = size
        if key.startswith(mine) and written > since:
            sha256 = key.removeprefix(mine)
            run.sent[sha256] = Entry(size, sha256, 0, run.known.push)
    run.sent |= {at.sha256: at for at in run.before.files.values() if sizes.get(at.key) == at.size}


def _send(run: Push) -> None:
    for number, (path, here) in enumerate(sorted(run.found.files.items())):
        run.say("sending", number, len(run.found.files))
        try:
            if is_tombstones(path):
                _send_forgotten(run, path, here)
            else:
                _send_one(run, path, here)
        except Fault as fault:
            run.problems.append({"file": path, "reason": f"not pushed: {fault}"})


def _send_one(run: Push, path: str, here: Here) -> None:
    there = run.before.files.get(path)
    if here.size > LARGEST_FILE:
        raise Fault("it is too large")
    if there is None and any(isinstance(row, dict) and row.get("path") == path for row in run.strange):
        raise Fault("the bucket has a damaged entry of that name: push with --delete takes it out")
    if there is None or there.sha256 not in run.sent:
        _store(run, path, here)
        return
    found = fate(run.home, run.bucket, run.known, path, (here, there))
    if found is Fate.HERE:
        _store(run, path, here)
    elif found is Fate.BOTH:
        beside = conflict(path, here.sha256)
        if beside in run.before.files:
            run.unchanged += 1
        else:
            _store(run, beside, here, source=path)
    else:
        run.unchanged += 1
    if found is Fate.SAME:
        run.planned[path] = here.sha256


def _store(run: Push, path: str, here: Here, source: str | None = None) -> None:
    if not run.dry and here.sha256 not in run.sent:
        entry = Entry(here.size, here.sha256, here.signature[1], run.known.push)
        with told(), reading(run.home.root, source or path) as handle:
            run.bucket.send(entry.key, _Measured(handle, here))
        run.sent[here.sha256] = entry
        run.bytes += here.size
    _note(run, path, Entry(here.size, here.sha256, here.signature[1], ""))
    if source is None:
        run.planned[path] = here.sha256


def _note(run: Push, path: str, entry: Entry) -> None:
    run.pushed += 1
    if not run.dry:
        run.files[path] = replace(entry, push=run.sent[entry.sha256].push)


def _send_forgotten(run: Push, path: str, here: Here) -> None:
    there = run.before.files.get(path)
    there = there if there and there.sha256 in run.sent else None
    if max(here.size, there.size if there else 0) > LARGEST:
        raise Fault("it is too large")
    old = b"".join(run.bucket.chunks(there.key, there.size)) if there else b""
    if there and digest(old) != there.sha256:
        raise there.damaged()
    with told(), reading(run.home.root, path) as handle:
        both = union(old, os.pread(handle, here.size, 0))
    name = digest(both)
    if there and name == there.sha256:
        run.unchanged += 1
        return
    if not run.dry and name not in run.sent:
        entry = Entry(len(both), name, here.signature[1], run.known.push)
        run.bucket.send(entry.key, _Held(both))
        run.sent[name] = entry
        run.bytes += len(both)
    _note(run, path, Entry(len(both), name, here.signature[1], ""))


def _publish(run: Push, etag: str | None) -> None:
    """Write the manifest, where it says anything new, and remember."""
    after = Manifest(run.files, run.strange)
    run.known.push = Known(run.known.file, run.known.uri).push
    if (after.files, after.strange) != (run.before.files, run.before.strange) or etag is None:
        # From here on another machine may delete this push's objects, so no later one may lean on them.
        run.known.save()
        run.bucket.publish(after.written(), etag)
    run.known.synced = {**{p: s for p, s in run.known.synced.items() if p in run.files}, **run.planned}
    run.known.save()


def _sweep(run: Push) -> None:
    """Delete the contents that no manifest names any more, and those of pushes that were never done."""
    named = {at.key for at in run.files.values()}
    named |= {
        f"objects/{row.get('push')}/{row.get('sha256')}" for row in run.strange if isinstance(row, dict)
    }
    replaced = {at.key for at in run.before.files.values()} - named
    oldest = datetime.now(UTC) - SWEPT
    for key, _, written in list(run.bucket.stored()):
        if key not in named and (key in replaced or written < oldest):
            run.bucket.remove(key)


class _Measured:
    """The first bytes of an open file, of which the last are withheld unless all are those that were read."""

    def __init__(self, handle: int, here: Here) -> None:
        self._handle, self._left, self._done = handle, here.size, 0
        self._wanted, self._digest = here.sha256, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        block = os.pread(self._handle, wanted, self._done) if wanted else b""
        self._left -= len(block)
        self._done += len(block)
        self._digest.update(block)
        if len(block) < wanted or (not self._left and self._digest.hexdigest() != self._wanted):
            raise Fault("it changed while it was sent: run it again")
        return block


class _Held:
    """Bytes that are sent as they are."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def read(self, size: int = -1) -> bytes:
        block, self._raw = (self._raw, b"") if size < 0 else (self._raw[:size], self._raw[size:])
        return block
