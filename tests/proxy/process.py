"""The proxy's process from outside: which it is, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


def process(upstream: str) -> int:
    """The process that serves the proxy before this upstream."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"proxy" in words and upstream.encode() in words:
            return int(folder.name)
    raise AssertionError("the proxy is gone")


@dataclass(frozen=True)
class Held:
    """What a process holds at a moment."""

    rss_mb: float
    descriptors: int
    threads: int

    @classmethod
    def by(cls, pid: int) -> Held:
        home = Path("/proc", str(pid))
        lines = dict(line.split(":", 1) for line in (home / "status").read_text().splitlines())
        rss = int(lines["VmRSS"].split()[0]) / 1024
        return cls(rss, len(list((home / "fd").iterdir())), int(lines["Threads"]))
