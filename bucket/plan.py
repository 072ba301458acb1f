"""What becomes of a file that is here and in the bucket: nothing is lost, whoever changed what."""

from __future__ import annotations

import hashlib
from enum import Enum

from bucket.files import Here, Home, begins_with
from bucket.known import Known
from bucket.manifest import Entry
from bucket.place import told
from bucket.server import Bucket
from errors import BadInput


class Fate(Enum):
    """Who is right about a file."""

    SAME = "same"
    HERE = "here"
    THERE = "there"
    BOTH = "both"


def fate(home: Home, bucket: Bucket, known: Known, path: str, both: tuple[Here, Entry]) -> Fate:
    """The longer of two where it begins with the shorter; else the one that changed; else both.

    Raises:
        Fault: one of them cannot be read.
    """
    here, there = both
    if here.sha256 == there.sha256:
        return Fate.SAME
    with told():
        if here.size > there.size and begins_with(home.root, path, there.size, there.sha256):
            return Fate.HERE
    if here.size < there.size and _starts(bucket, there, here):
        return Fate.THERE
    before = known.synced.get(path)
    if before == there.sha256:
        return Fate.HERE
    return Fate.THERE if before == here.sha256 else Fate.BOTH


def _starts(bucket: Bucket, there: Entry, here: Here) -> bool:
    digest = hashlib.sha256()
    for block in bucket.chunks(there.key, here.size):
        digest.update(block)
    return digest.hexdigest() == here.sha256


def allow(doomed: int, total: int, where: str) -> None:
    """Refuse to delete more than a tenth: a folder that is not mounted looks like one that was emptied.

    Raises:
        BadInput: it would.
    """
    if doomed * 10 > total:
        raise BadInput(
            f"--delete would remove {doomed} of the {total} files {where}, more than a tenth: "
            "nothing was done. Look whether DATA_DIR and S3_URI are the right ones; "
            "remove so many by hand if you mean it."
        )
