"""What the proxy wrote down: why a request got what it got, how often one got something; forgetting it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from errors import BadInput, StoreFailed
from proxied import upstream

if TYPE_CHECKING:
    from settings import Settings

# So long after its answer a request is certainly written down.
WRITTEN_SECONDS = 1.0


def explained(chosen: Settings, request: str) -> dict[str, Any]:
    """What a request was given and why.

    Raises:
        BadInput: it is not known, or not any more.
    """
    from proxy.journal import explained
    from proxy.serve import ASKED

    path = chosen.data_dir / "proxy" / ASKED
    end = time.monotonic() + WRITTEN_SECONDS * path.parent.is_dir()
    while (row := explained(path, request)) is None:
        if time.monotonic() >= end:
            raise BadInput(
                f"No request {request} is known: the x-rag-request-id header of an answer names it."
            )
        time.sleep(0.05)
    return row


def counts(chosen: Settings) -> dict[str, Any]:
    """How many chat requests came, the share of them that got memory, and the model server's prefix cache."""
    from models.prefix_cache import hit_rate
    from proxy.journal import counted
    from proxy.serve import ASKED

    by_status = counted(chosen.data_dir / "proxy" / ASKED)
    total = sum(by_status.values())
    given = by_status.get("injected", 0) + by_status.get("replayed", 0)
    return {
        "requests": total,
        "by_status": by_status,
        "with_memory": round(given / total, 3) if total else None,
        "prefix_cache_hit_rate": hit_rate(upstream(chosen)) if total else None,
    }


def forget(chosen: Settings, memories: Sequence[str]) -> None:
    """Remove from what the proxy keeps all that was made of some memories, and what was asked.

    Raises:
        StoreFailed: something may be left on the disk.
    """
    from proxy import journal
    from proxy.serve import ASKED, STICKY
    from proxy.sticky import Sticky

    home = chosen.data_dir / "proxy"
    journal.forget(home / ASKED)
    if (home / STICKY).is_file():
        with closing(Sticky(home / STICKY)) as sticky:
            sticky.forget(memories)
            if sticky.lasting:
                raise StoreFailed(sticky.lasting)
