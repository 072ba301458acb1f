"""The model hub: which of a model's files are fetched, and what is said when they cannot be."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from errors import PartMissing, StoreFailed
from training.folders import Say, must_fit, silent
from training.quiet import quiet

SMALL = ["*.json", "*.jinja", "*.txt", "*.model"]
WANTED = [*SMALL, "*.safetensors"]
# The same weights once more, for other engines: as much again to fetch.
UNWANTED = ["*/*", "consolidated*", "params.json"]


def fetched(name: str, revision: str | None, say: Say = silent, wanted: Sequence[str] = WANTED) -> Path:
    """A model's folder in the hub's own cache, named after the commit; fetched if it is not there.

    Raises:
        BadInput: the disk is too small.
        PartMissing: it is not here, and the hub does not give it.
        StoreFailed: the disk did not take it.
    """
    from httpx2 import HTTPError
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import DryRunError, HFValidationError, LocalEntryNotFoundError

    try:
        with quiet():
            planned = snapshot_download(
                name, revision=revision, allow_patterns=list(wanted), ignore_patterns=UNWANTED, dry_run=True
            )
        must_fit(sum(file.file_size or 0 for file in planned if file.will_download), Path(HF_HUB_CACHE), name)
    except (DryRunError, HTTPError, HFValidationError):
        say(f"The model hub does not give {name}: looking for what was fetched before")
    try:
        with nullcontext() if sys.stderr.isatty() else quiet():
            folder = snapshot_download(
                name, revision=revision, allow_patterns=list(wanted), ignore_patterns=UNWANTED
            )
    except (HTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        why = error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error
        raise PartMissing(
            f"{name} is not wholly on this machine and cannot be fetched ({type(why).__name__}): "
            "check the name and revision, the connection, and for a gated model `hf auth login`."
        ) from error
    except OSError as error:
        raise StoreFailed(f"{name} could not be fetched: {error.strerror or error}.") from error
    return Path(folder)
