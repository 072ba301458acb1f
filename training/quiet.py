"""Libraries that load models say so in bars and remarks of their own; a person shall see ours alone."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and remarks off standard error; what fails still raises."""
    from transformers.utils import logging as theirs

    bars, level = theirs.is_progress_bar_enabled(), theirs.get_verbosity()
    # bitsandbytes misses a kernel that nothing here uses; the hub tells of each fault that it then raises.
    others = [logging.getLogger(name) for name in ("bitsandbytes", "huggingface_hub")]
    before = [other.level for other in others]
    theirs.disable_progress_bar()  # the hub's with them
    theirs.set_verbosity_error()
    for other in others:
        other.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for other, one in zip(others, before, strict=True):
            other.setLevel(one)
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()
