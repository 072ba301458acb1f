"""The commands that the README tells, and a made-up person who gives them.

    told.commands(README)   every command once, as it stands there, without its comment
    told.untried(README)    {"Docker": [["make", "rag"], …], …}: what its paragraph UNTRIED says no test tries

The person has a home and a checkout of links, so that no `.env`, no `data/` and no document of whoever runs
this is touched.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = "night-train-guide.pdf"
OWN = {"data", "mis_documentos", "__pycache__"}

UNTRIED = "Tests run every command of this page"
"""How the paragraph begins."""
NAMES = r"make|python|\.venv/bin/python|pip|ollama|vibe|docker|curl|git"
PROGRAM = rf"(?:[A-Z_0-9]+=\S+ )*(?:make$|(?:{NAMES}) \S)"
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def commands(readme: str) -> list[str]:
    text = readme.replace(_paragraph(readme), "")
    table = [span for row in re.findall(r"^\|(.+?[^\\])\|", text, re.M) for span in _spans(row)]
    said = [span for span in _spans(text) if not _names_one_of(table, span)]
    return list(dict.fromkeys([*_in_blocks(FENCE.sub("", text)), *_in_transcripts(text), *table, *said]))


def untried(readme: str) -> dict[str, list[list[str]]]:
    sentences = re.findall(r"([A-Z][\w ']+): (`[^:]+`)[.;]", _paragraph(readme).replace("\n", " "))
    return {need: [span.split() for span in re.findall("`([^`]+)`", named)] for need, named in sentences}


def named(words: list[str], among: list[str]) -> set[str]:
    """The commands that have all these words, in this order: so the paragraph need not repeat the rest."""
    return {one for one in among if _within(words, one.split())}


def _paragraph(readme: str) -> str:
    found = re.search(rf"^{UNTRIED}.*?(?=\n\n)", readme, re.M | re.S)
    return found[0] if found else ""


def _in_blocks(text: str) -> Iterator[str]:
    for block in re.findall(r"(?:^    \S.*\n)+", text, re.M):
        lines = [re.sub(r"\s+# .*", "", line.strip()) for line in block.splitlines()]
        if lines[0].startswith("from "):
            yield "\n".join(lines)
        else:
            # A name, blanks and a value are a line for a configuration file.
            yield from (line for line in lines if not re.match(r"\w+ = ", line))


def _in_transcripts(text: str) -> Iterator[str]:
    for fence in FENCE.findall(text):
        yield from re.findall(r"^\$ (.+)$", fence, re.M)


def _spans(text: str) -> list[str]:
    """What stands between backticks and begins with a program."""
    spans = re.findall(r"`([^`]+)`", text.replace("```", ""))
    told = [" ".join(span.replace("\\|", "|").split()) for span in spans]
    return [span for span in told if re.match(PROGRAM, span)]


def _names_one_of(table: list[str], span: str) -> bool:
    """Whether it is the beginning of a row of the table, as `python -m training plan` is."""
    return span.startswith("python ") and any(row.startswith(f"{span} ") for row in table)


def _within(words: list[str], line: list[str]) -> bool:
    rest = iter(line)
    return all(word in rest for word in words)


class Person:
    """A home and a checkout; `run` gives a command to bash there, and it must go well."""

    def __init__(self, folder: Path, models: Path, model: str) -> None:
        self.home, self.root, self.programs = folder / "home", folder / "recuerdo", folder / "bin"
        for name in ("home", "recuerdo/data", "bin"):
            (folder / name).mkdir(parents=True)
        for path in ROOT.iterdir():
            if path.name == ".venv" or not (path.name in OWN or path.name.startswith(".")):
                (self.root / path.name).symlink_to(path)
        (self.root / "data" / "models").symlink_to(models)
        for name in ("docker", "nvidia-smi"):  # whatever this machine has
            (self.programs / name).write_text("#!/bin/sh\nexit 1\n")
            (self.programs / name).chmod(0o755)
        self.model = model
        self.port = str(_free_port())
        for place in (self.home / "Documents", self.root / "mis_documentos"):
            place.mkdir()
            shutil.copy(ROOT / "mis_documentos" / SAMPLE, place)

    def surroundings(self, **more):
        kept = {
            "PATH": f"{self.programs}:{self.root}/.venv/bin:/usr/bin:/bin", "HOME": str(self.home),
            "LANG": "C.UTF-8", "THREADS": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "200",
            "OPENAI_BASE_URL": f"{self.model}/v1", "RAG_PROXY_PORT": self.port, "SERVE_PORT": self.port,
        }  # fmt: skip
        return kept | more

    def made(self, command, fill):
        known = {"model": self.model, "port": self.port}
        return _made(command, {word: known.get(value, value) for word, value in fill.items()})

    def run(self, command, fill=None, stdin="", **more):
        words = ["/bin/bash", "-c", self.made(command, fill or {})]
        done = subprocess.run(
            words, cwd=self.root, env=self.surroundings(**more), input=stdin,
            capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def serving(self, command, fill, **more):
        """The address of a server that is started as the README says; Ctrl-C ends it."""
        # A suite that was started in the background ignores Ctrl-C, and its children would too.
        words = ["/usr/bin/env", "--default-signal=INT", "bash", "-c", self.made(command, fill)]
        process = subprocess.Popen(
            words,
            cwd=self.root, env=self.surroundings(**more), stdout=-1, stderr=-1, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield re.search(r"http://[\w.]+:\d+", line)[0]
            os.killpg(process.pid, signal.SIGINT)
            _, error = process.communicate(timeout=30)
            # A shell says 130 of `make`, which ends by the signal itself once its child has ended in order.
            assert process.returncode in {0, -signal.SIGINT}
            assert "Traceback" not in error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def _made(command: str, fill: Mapping[str, str]) -> str:
    line = re.sub(r"[\[\]]", "", command)
    for word, value in fill.items():
        line, count = re.subn(rf"(?<!\w){re.escape(word)}(?!\w)", lambda _, value=value: value, line)
        assert count, f"{command} has no {word} any more"
    return line


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]
