"""`python app.py proxy` in a process of its own, as a person starts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import IO

ROOT = Path(__file__).resolve().parents[3]
Environment = Mapping[str, str]


def environment(data: Path, models: Path, **more: str) -> Environment:
    """A person's who has set nothing but where the data lie; they borrow an embedding model.

    The deadline is long, for what is asked here is what is injected and not how fast.
    """
    data.mkdir()
    (data / "models").symlink_to(models)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    own = {"DATA_DIR": str(data), "THREADS": "1", "OMP_NUM_THREADS": "1", "RAG_DEADLINE_MS": "20000"}
    return kept | own | more


def ran(surroundings: Environment, *arguments: str) -> str:
    """What `python app.py` prints with these arguments; it must go well."""
    done = subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=ROOT,
        env=surroundings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class Proxy:
    url: str = ""
    told: list[str] = field(default_factory=list)
    """What it wrote to standard error and, after its ready line, to standard output."""

    def keep(self, pipe: IO[str]) -> Thread:
        thread = Thread(target=self.told.extend, args=(pipe,), daemon=True)
        thread.start()
        return thread


@contextmanager
def served(upstream: str, surroundings: Environment, *arguments: str) -> Iterator[Proxy]:
    """A proxy before this upstream until the block ends."""
    proxy = Proxy()
    with subprocess.Popen(
        [sys.executable, "app.py", "proxy", "--port", "0", "--upstream", upstream, *arguments],
        cwd=ROOT,
        env=surroundings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        threads = [proxy.keep(process.stderr)]
        try:
            ready = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+", ready)
            assert address, f"{ready!r} {proxy.told}"
            proxy.url = address[0]
            threads.append(proxy.keep(process.stdout))
            yield proxy
        finally:
            process.terminate()
            process.wait(20)
            for thread in threads:
                thread.join()
