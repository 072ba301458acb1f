"""A process that hands the GPU over as `python -m training` does, around a training that only sleeps.

    scene = Scene(tmp_path)                # its docker, its journal, one server that runs
    done = scene.begin("instead_of").end() # (status, what it said)

The training looks at the containers all the time: it must never find the server running.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import lending
from tests.training.docker_stand_in import Engine

ROOT = Path(__file__).resolve().parents[2]
SERVER, OTHER = "devstral-vllm", "devstral-vllm-lora"
LIMITS = {"look": 3, "drain": 1, "stop": 1, "slack": 2, "start": 3, "up": 1, "healthy": 3, "free": 0.3}
LIMITS |= {"left": 12, "pause": 0.05}
WAIT_SECONDS = 60
PROGRAM = (sys.executable, "-m", "tests.training.lender")


@dataclass
class Scene:
    """A machine with one GPU: its containers, its journal, and what a training saw of the server."""

    home: Path
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = Engine(self.home / "bin")
        self.engine.add(SERVER)
        self.engine.add(OTHER, status="exited")
        (self.home / "data").mkdir()

    @property
    def journal(self) -> Path:
        return self.home / "data" / lending.JOURNAL

    @property
    def seen(self) -> set[str]:
        """The states in which a training found the server."""
        path = self.home / "seen"
        return set(path.read_text().split()) if path.exists() else set()

    @property
    def state(self) -> str:
        """What the journal says at this moment."""
        try:
            found = lending.read(self.journal)
        except ValueError:
            return "damaged"
        return found.state if found else "serving"

    def begin(self, do: str, seconds: float = 0.3, status: int = 0, **more: object) -> Running:
        """Start a process that does it: "instead_of", "lent" or "recover"."""
        given = {"do": do, "home": str(self.home), "seconds": seconds, "status": status}
        given |= {"names": [SERVER, OTHER], "limits": LIMITS} | more
        environment = os.environ | {"PATH": f"{self.engine.folder}:{os.environ['PATH']}"}
        program = [*PROGRAM, json.dumps(given)]
        process = subprocess.Popen(program, cwd=ROOT, env=environment, stderr=subprocess.PIPE)
        return Running(process)

    def until(self, state: str, running: Running) -> bool:
        """Wait until the journal says so; whether it did before the process ended."""
        return _until(lambda: self.state == state, running)

    def is_as_before(self) -> bool:
        """The server runs, nothing is noted, the other one was left alone, and no training met the server."""
        assert OTHER not in self.engine.calls("start") + self.engine.calls("stop")
        assert "running" not in self.seen
        return self.engine.runs(SERVER) and not self.journal.exists()


@dataclass
class Running:
    process: subprocess.Popen[bytes]

    def end(self) -> tuple[int, str]:
        """Wait for its end; its status and what it said."""
        _, said = self.process.communicate(timeout=WAIT_SECONDS)
        return self.process.returncode, said.decode()

    def kill(self, *others: int) -> None:
        for pid in (self.process.pid, *others):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(WAIT_SECONDS)
        self.process.stderr.close()

    @contextmanager
    def frozen(self) -> Iterator[bool]:
        """Nothing moves in the block; whether there is still something to move."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield self.process.returncode is None and _stopped(self.process.pid)
        finally:
            self.process.send_signal(signal.SIGCONT)

    def child(self) -> int:
        """The training that it runs, once there is one."""
        found: list[int] = []
        _until(lambda: bool(found.extend(self.children('"do": "train"')) or found), self)
        return found[0]

    def children(self, word: str) -> list[int]:
        """Those of its children that have a word in their command."""
        pid, found = self.process.pid, []
        with suppress(OSError):  # one that has just ended
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                if word.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(int(child))
        return found


def _stopped(pid: int) -> bool:
    """Whether a child stopped, and did not end first."""
    found = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return found is not None and found.si_code == os.CLD_STOPPED


def _until(so: Callable[[], bool], running: Running) -> bool:
    until = time.monotonic() + WAIT_SECONDS
    while running.process.poll() is None and time.monotonic() < until:
        if so():
            return True
        time.sleep(0.001)
    return False


def main() -> int:
    from errors import RecuerdoError
    from training import handover
    from training.programs import Limits

    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background of a shell
    given = json.loads(sys.argv[1])
    scene, names, limits = Path(given["home"]), given["names"], Limits(**given["limits"])
    journal = scene / "data" / lending.JOURNAL
    try:
        if given["do"] == "train":
            return _train(scene, given["seconds"], given["status"], given.get("linger", 0))
        if given["do"] == "recover":
            _say(str(handover.recover(journal, _say, limits)))
        elif given["do"] == "instead_of":
            words = [*PROGRAM, json.dumps(given | {"do": "train"})]
            return handover.instead_of(journal, names, words, _say, limits)
        else:
            with handover.lent(journal, names, _say, limits):
                _look(scene, given["seconds"])
                if given["status"]:
                    raise ZeroDivisionError
    except RecuerdoError as error:
        _say(str(error))
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    return 0


def _train(home: Path, seconds: float, status: int, linger: float = 0) -> int:
    """What the command line does in a training: the first signal ends it in order."""
    told = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.append(1))
    _look(home, seconds, lambda: bool(told))
    _look(home, linger if told else 0)  # its last step
    return 130 if told else status


def _look(home: Path, seconds: float, enough: Callable[[], bool] = lambda: False) -> None:
    until = time.monotonic() + seconds
    with (home / "seen").open("a") as out:
        while time.monotonic() < until and not enough():
            containers = json.loads((home / "bin" / "engine.json").read_text())["containers"]
            print(containers.get(SERVER, {"status": "absent"})["status"], file=out, flush=True)
            time.sleep(0.02)


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
