"""From the bucket to DATA_DIR: what was forgotten first; each file has another name until it is whole."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bucket.files import Found, Here, Home, Say, look, sweep
from bucket.known import Known
from bucket.manifest import Entry, Manifest, parse
from bucket.names import conflict, is_tombstones
from bucket.place import PARTIAL, Fault, Signature, beneath, reading, there, told
from bucket.plan import Fate, allow, fate
from bucket.server import Bucket
from bucket.tombstones import LARGEST, digest, lines, take
from errors import NothingYet
from stores.lock import held

# What says that the files beside it are whole: an agent's pointer to its newest state, an adapter's facts.
LAST = ("CURRENT", "training.json")


@dataclass
class Pull:
    """One pull."""

    home: Home
    bucket: Bucket
    known: Known
    there: Manifest
    found: Found
    say: Say
    dry: bool
    problems: list[dict[str, str]] = field(default_factory=list)
    forgotten: dict[str, list[str]] = field(default_factory=dict)
    pulled: int = 0
    unchanged: int = 0
    bytes: int = 0


def pull(
    home: Home, bucket: Bucket, *, delete: bool = False, dry_run: bool = False, say: Say = lambda *_: None
) -> dict[str, Any]:
    """Bring what is here up to the bucket; `forgotten` are the lines that are new here, by their file.

    Raises:
        NothingYet: nothing was pushed yet. BadInput: `delete` would remove more than a tenth.
        PartMissing: the bucket cannot be reached. StoreFailed: the disk is full, or the manifest damaged.
    """
    started = time.monotonic()
    with held(home.own / "lock"):
        known = Known.load(home.own / "state.json", bucket.uri)
        told_there = bucket.manifest()
        if told_there is None:
            raise NothingYet(
                f"There is nothing in {bucket.uri} yet: `python app.py push` on the machine that has it."
            )
        manifest = parse(told_there[0], home.ours)
        if not dry_run:
            sweep(home)
        run = Pull(home, bucket, known, manifest, look(home, known, say), say, dry_run)
        run.problems += [*manifest.problems, *run.found.problems()]
        doomed = _doomed(run) if delete else []
        try:
            _fetch(run)
            deleted = len(doomed) if dry_run else sum(_remove(run, path) for path in doomed)
        finally:
            if not dry_run:
                known.save()
    return {
        "pulled": run.pulled,
        "unchanged": run.unchanged,
        "deleted": deleted,
        "bytes": run.bytes,
        "forgotten": run.forgotten,
        "seconds": round(time.monotonic() - started, 3),
        "problems": run.problems,
    }


def _doomed(run: Pull) -> list[str]:
    """What was in the bucket and is not any more; a file that never was there is nobody's to delete."""
    if run.found.blind:
        run.problems.append({"file": ".", "reason": "nothing was deleted: not every folder could be opened"})
        return []
    named = run.there.named()
    doomed = [
        path
        for path, here in sorted(run.found.files.items())
        if path not in named and not is_tombstones(path) and run.known.synced.get(path) == here.sha256
    ]
    allow(len(doomed), len(run.found.files), f"in {run.home.root}")
    return doomed


def _fetch(run: Pull) -> None:
    rows = sorted(run.there.files.items(), key=lambda row: _turn(row[0]))
    for number, (path, entry) in enumerate(rows):
        run.say("fetching", number, len(rows))
        try:
            if path in run.found.unread:
                continue  # told already
            if is_tombstones(path):
                _take_forgotten(run, path, entry)
            else:
                _take_one(run, path, entry)
        except Fault as fault:
            run.problems.append({"file": path, "reason": f"not pulled: {fault}"})


def _turn(path: str) -> tuple[int, str, bool, str]:
    above, _, name = path.rpartition("/")
    return (0 if is_tombstones(path) else 1, above, name in LAST, name)


def _take_one(run: Pull, path: str, entry: Entry) -> None:
    here = run.found.files.get(path)
    found = Fate.THERE if here is None else fate(run.home, run.bucket, run.known, path, (here, entry))
    if here is not None and found is Fate.BOTH and _kept(run, path, here):
        found = Fate.THERE
    if found in (Fate.SAME, Fate.HERE):
        run.unchanged += 1
    elif run.dry:
        run.pulled += 1
    else:
        beside = conflict(path, here.sha256) if here and found is Fate.BOTH else None
        _write(run, (path, entry), here, beside)
        if here and beside:
            run.found.files[beside] = here
        run.found.files[path] = Here((entry.size, entry.mtime_ns, 0), entry.sha256)
        run.pulled += 1
        run.bytes += entry.size
    if found is not Fate.HERE and not run.dry:
        run.known.synced[path] = entry.sha256


def _kept(run: Pull, path: str, here: Here) -> bool:
    """Whether what is here lies beside already, as on a run that was killed or on another machine."""
    beside = run.found.files.get(conflict(path, here.sha256))
    return beside is not None and beside.sha256 == here.sha256


def _write(run: Pull, row: tuple[str, Entry], here: Here | None, beside: str | None) -> None:
    path, entry = row
    with told(), beneath(run.home.root, path, make=True) as (folder, name):
        _same(folder, name, here)
        partial = f"{PARTIAL}{digest(path.encode())[:16]}.tmp"
        try:
            _download(run.bucket.chunks(entry.key, entry.size), folder, partial, entry)
            _same(folder, name, here)
            if beside:
                other = beside.rpartition("/")[2]
                os.link(name, other, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            _drop(folder, partial)
            raise
        os.fsync(folder)


def _same(folder: int, name: str, here: Here | None) -> None:
    now: Signature | None = there(folder, name)
    if now != (here.signature if here else None):
        raise Fault("it changed here meanwhile: run it again")


def _download(chunks: Iterable[bytes], folder: int, partial: str, entry: Entry) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(partial, flags, 0o600, dir_fd=folder)
    try:
        total, sums = 0, hashlib.sha256()
        for block in chunks:
            sums.update(block)
            total += len(block)
            view = memoryview(block)
            while view:
                view = view[os.write(handle, view) :]
        if total != entry.size or sums.hexdigest() != entry.sha256:
            raise entry.damaged()
        os.utime(handle, ns=(entry.mtime_ns, entry.mtime_ns))
        os.fsync(handle)
    finally:
        os.close(handle)


def _drop(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def _take_forgotten(run: Pull, path: str, entry: Entry) -> None:
    if entry.size > LARGEST:
        raise Fault("it is too large")
    raw = b"".join(run.bucket.chunks(entry.key, entry.size))
    if len(raw) != entry.size or digest(raw) != entry.sha256:
        raise entry.damaged()
    known: list[str] = []
    if here := run.found.files.get(path):
        with told(), reading(run.home.root, path) as handle:
            known = lines(os.pread(handle, max(here.size, os.fstat(handle).st_size), 0))
    new = [line for line in lines(raw) if line not in set(known)]
    if not new:
        run.unchanged += 1
        return
    if not run.dry:
        take(run.home.root, path, new)
        run.bytes += entry.size
    run.pulled += 1
    run.forgotten[path] = new


def _remove(run: Pull, path: str) -> int:
    try:
        with told(), beneath(run.home.root, path) as (folder, name):
            _same(folder, name, run.found.files[path])
            _drop(folder, name)
            os.fsync(folder)
    except Fault as fault:
        run.problems.append({"file": path, "reason": f"not deleted: {fault}"})
        return 0
    run.known.synced.pop(path, None)
    return 1
