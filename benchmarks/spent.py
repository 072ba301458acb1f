"""What a process and its children have cost: processor time and memory, as Linux counts them."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
USER, SYSTEM = 11, 12  # counted from behind the name, which may hold spaces


def processor_seconds(pid: int) -> float:
    """Processor time since the start, in user and system mode."""
    ticks = os.sysconf("SC_CLK_TCK")
    told = [(PROC / str(one) / "stat").read_text().rpartition(")")[2].split() for one in _family(pid)]
    return sum(int(fields[USER]) + int(fields[SYSTEM]) for fields in told) / ticks


def resident_mb(pid: int) -> float:
    """Memory that is in use now."""
    pages = sum(int((PROC / str(one) / "statm").read_text().split()[1]) for one in _family(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _family(pid: int) -> list[int]:
    family, number = [pid], 0
    while number < len(family):
        for children in (PROC / str(family[number]) / "task").glob("*/children"):
            family += [int(child) for child in children.read_text().split()]
        number += 1
    return family
