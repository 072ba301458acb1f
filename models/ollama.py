"""An Ollama that is installed but not running: started once, and stopped by whoever started it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from errors import PartMissing
from models import address
from models.probe import probe

DEFAULT_MODEL = "gpt-oss:20b"
REAL_MODEL = (
    f"install Ollama (https://ollama.com) and run `ollama pull {DEFAULT_MODEL}`, or set OPENAI_BASE_URL"
)


@contextmanager
def running(url: str, command: str, data_dir: Path, wait_seconds: float = 20.0) -> Iterator[None]:
    """Join what answers at `url`, or start Ollama; ours ends with the block unless others still use it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    turn = data_dir / "ollama.lock"
    with (data_dir / "ollama.users").open("a") as users:
        with _locked(turn):
            fcntl.flock(users, fcntl.LOCK_SH)
            ours = None if _answers(url) else _start(url, command, data_dir / "ollama.log", wait_seconds)
        try:
            yield
        finally:
            if ours is not None:
                with _locked(turn):
                    _stop_unless_used(ours, users.fileno())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _answers(url: str) -> bool:
    return probe(url).kind is not None


def _start(url: str, command: str, log: Path, wait_seconds: float) -> subprocess.Popen[bytes]:
    program = shutil.which(command)
    if program is None:
        raise PartMissing(f"Nothing answers at {url} and Ollama is not installed: {REAL_MODEL}.")
    # `env` hands OLLAMA_HOST over: only settings.py reads the environment. A session of its own keeps
    # the Ctrl-C that interrupts an answer from ending the server.
    words = ["/usr/bin/env", f"OLLAMA_HOST={urlsplit(address.normalise(url)).netloc}", program, "serve"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(process, url, log, wait_seconds)
    except BaseException:
        _stop(process)
        raise
    return process


def _wait(process: subprocess.Popen[bytes], url: str, log: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not _answers(url):
        if process.poll() is not None:
            raise PartMissing(f"`ollama serve` ended at once with status {process.returncode}: see {log}.")
        if time.monotonic() > deadline:
            raise PartMissing(f"`ollama serve` did not answer at {url} within {seconds:.0f} s: see {log}.")
        time.sleep(0.1)


def _stop_unless_used(process: subprocess.Popen[bytes], users: int) -> None:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process.returncode = 0  # it is theirs now: no warning about a child left behind
        return
    _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
