"""The real Mistral Vibe client, each version in an environment of its own below .venv-vibe/.

    python -m tests.proxy.vibe.client      # makes what is absent; needs Python 3.12 (PYTHON312 names one)

Tests never install: they skip where a version is not there.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FULL = 60_000
VERSIONS = ("3.0.2", "2.18.4")  # streams its answers; does not
FOLDER = Path(__file__).resolve().parents[3] / ".venv-vibe"
# Beside what `app.py vibe-config` says: nothing that asks other servers.
CONFIG = """\
enable_telemetry = false
enable_update_checks = false
enable_auto_update = false
enable_notifications = false
enable_connectors = false
{config}
[experiments]
enable = false
"""


@dataclass(frozen=True)
class Client:
    """One person's Vibe: a version, a home of its own, and the server that it asks."""

    version: str
    home: Path
    api_base: str
    api_key: str | None = None

    @property
    def sessions(self) -> Path:
        return self.home / "logs" / "session"

    def ask(
        self, prompt: str, folder: Path, *, resume: bool = False, seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run `vibe -p` in a folder; a run that takes longer is killed with all that it started."""
        command = self.command("-p", prompt, *["-c"] * resume)
        with subprocess.Popen(
            command,
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                out, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def command(self, *arguments: str) -> list[str]:
        """The command line, with its configuration written; tools run without asking."""
        import agent  # what installs the client needs nothing of ours

        self.home.mkdir(parents=True, exist_ok=True)
        config = agent.lines(self.api_base, "devstral", FULL, keyed=bool(self.api_key))
        (self.home / "config.toml").write_text(CONFIG.format(config=config))
        approval = ["--auto-approve"] if self.version.startswith("3.") else ["--agent", "auto-approve"]
        return [str(FOLDER / self.version / "bin" / "vibe"), *approval, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the person who runs the tests; whatever asks beyond loopback finds a closed door."""
        closed = "http://127.0.0.1:9"
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "HOME": str(self.home),
            "VIBE_HOME": str(self.home),
            "HTTP_PROXY": closed,
            "HTTPS_PROXY": closed,
            "NO_PROXY": "127.0.0.1",
        } | ({"RAG_PROXY_API_KEY": self.api_key} if self.api_key else {})


def installed(version: str) -> bool:
    """Whether this version can run here."""
    return _done(version).exists()


def install(version: str, python: str) -> None:
    """Make the environment of one version; a half-made one is made anew."""
    folder = FOLDER / version
    print(f"Installing mistral-vibe {version} into {folder} ...", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n")
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, f"mistral-vibe=={version}"], check=True, stdout=sys.stderr)
    _done(version).touch()


def python312() -> str | None:
    """The first Python 3.12 that really runs; pyenv leaves commands on PATH that do not."""
    check = "import sys; sys.exit(sys.version_info[:2] != (3, 12))"
    for python in _candidates():
        try:
            if subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0:
                return python
        except OSError:
            continue
    return None


def _candidates() -> Iterator[str]:
    if named := os.environ.get("PYTHON312"):
        yield named
    yield "python3.12"
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from (str(path) for path in sorted(root.glob("versions/3.12*/bin/python3.12"), reverse=True))


def _done(version: str) -> Path:
    return FOLDER / version / "installed"


def main() -> int:
    """Install what is absent; the exit status."""
    missing = [version for version in VERSIONS if not installed(version)]
    python = python312() if missing else None
    if missing and python is None:
        sys.stderr.write("Vibe needs Python 3.12, and none was found: install it, or name one: PYTHON312=…\n")
        return 3
    for version in missing:
        install(version, str(python))
    return 0


if __name__ == "__main__":
    sys.exit(main())
