"""A program that stands for docker on the PATH of a test, and the test's hand on it.

    engine = Engine(tmp_path)             # a folder with `docker` in it
    engine.add("devstral-vllm")           # a container that runs
    engine.fault("hang", verb="stop")     # what the next `docker stop` does instead

Its containers live in a file. A stop that has begun comes to its end although the command is killed, and a
start before that end changes nothing: so it is with the real one, whose daemon does the work.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import resource
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REFUSED = "error during connect: dial unix /var/run/docker.sock: connect: no such file or directory"
FOR_EVER = 3600


class Engine:
    """What docker would know, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.put("docker", Path(__file__).read_text(encoding="utf-8"))
        with self.changing(anew=True):
            pass

    def put(self, name: str, program: str) -> None:
        path = self.folder / name
        path.write_text(f"#!{sys.executable} -IS\n{program}", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def add(self, name: str, status: str = "running", **more: object) -> None:
        facts = {"status": status, "began": 0.0, "stop_seconds": 0.1, "ends": None, "health_seconds": None}
        with self.changing() as state:
            state["containers"][name] = facts | {"remove": False, "port": None} | more

    def fault(self, kind: str, verb: str = "", call: int = 0, times: int = 1, seconds: float = 0) -> None:
        """From a call on (0: the next one) so many calls of that verb, or of any, go wrong."""
        with self.changing() as state:
            first = state["calls"] + 1 if call == 0 else call
            one = {"kind": kind, "verb": verb, "first": first, "times": times, "seconds": seconds}
            state["faults"].append(one)

    def mend(self) -> None:
        with self.changing() as state:
            state["faults"] = []

    def gpu(self, used: int, total: int = 24_564) -> None:
        """Put an `nvidia-smi` beside it that tells of one GPU; MiB."""
        self.put("nvidia-smi", f"print('{used}, {total}')\n")

    def status(self, name: str) -> str:
        with self.changing() as state:
            found = state["containers"].get(name)
        return found["status"] if found else "absent"

    def runs(self, name: str) -> bool:
        """Whether it runs, and is not just coming to its end."""
        with self.changing() as state:
            found = state["containers"].get(name)
        return bool(found) and found["status"] == "running" and found["ends"] is None

    def calls(self, verb: str) -> list[str]:
        """The containers that were named to a verb, in order."""
        with self.changing() as state:
            return [name for said, name in state["log"] if said == verb]

    @contextmanager
    def changing(self, *, anew: bool = False) -> Iterator[dict]:
        with (self.folder / "engine.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self.folder / "engine.json"
            fresh = {"containers": {}, "calls": 0, "faults": [], "log": []}
            state = fresh if anew else json.loads(path.read_text())
            _advance(state["containers"])
            yield state
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(state))
            partial.rename(path)


def _advance(containers: dict) -> None:
    for name, one in list(containers.items()):
        if one["ends"] is not None and time.time() >= one["ends"]:
            one |= {"status": "exited", "ends": None}
            if one["remove"]:
                del containers[name]


def main(words: list[str]) -> int:
    # A limit on what files may grow to is meant for who calls us.
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    engine = Engine.__new__(Engine)
    engine.folder = Path(__file__).resolve().parent
    verb, name = words[0], words[-1]
    with engine.changing() as state:
        state["calls"] += 1
        state["log"].append([verb, name])
        fault = next((one for one in state["faults"] if _hits(one, state["calls"], verb)), None)
        if fault:
            fault["times"] -= 1
    kind = fault["kind"] if fault else ""
    if kind == "outlive":  # as a program does that is not its caller's any more
        ctypes.CDLL(None).prctl(1, 0)
    if kind in {"hang", "slow", "outlive"}:
        time.sleep(FOR_EVER if kind == "hang" else fault["seconds"])
    if kind in {"fail", "refuse"}:
        return _complain(REFUSED if kind == "refuse" else "Error response from daemon: driver failed")
    if kind == "nonsense":
        print('<html>{"status": 200}')
        return 0
    if kind == "lose":
        with engine.changing() as state:
            state["containers"].pop(name, None)
    status = _does(engine, verb, name)
    if kind == "late":
        time.sleep(FOR_EVER)
    return status


def _hits(fault: dict, call: int, verb: str) -> bool:
    return fault["times"] > 0 and call >= fault["first"] and fault["verb"] in {"", verb}


def _does(engine: Engine, verb: str, name: str) -> int:
    with engine.changing() as state:
        one = state["containers"].get(name)
        if one is None:
            if verb == "inspect":
                print("[]")
            return _complain(f"Error response from daemon: No such container: {name}")
        if verb == "inspect":
            print(json.dumps([_told(one)]))
            return 0
        if verb == "start" and one["status"] != "running":
            one |= {"status": "running", "began": time.time()}
        if verb == "stop" and one["status"] != "exited" and one["ends"] is None:
            one["ends"] = time.time() + one["stop_seconds"]
        ends = one["ends"] if verb == "stop" else None
    if ends:
        time.sleep(max(0.0, ends - time.time()))
    print(name)
    return 0


def _told(one: dict) -> dict:
    state = {"Status": one["status"]}
    if one["health_seconds"] is not None:
        healthy = time.time() - one["began"] >= one["health_seconds"]
        state["Health"] = {"Status": "healthy" if healthy else "starting"}
    ports = {"8000/tcp": [{"HostIp": "0.0.0.0", "HostPort": str(one["port"])}]} if one["port"] else {}  # noqa: S104
    return {
        "State": state,
        "HostConfig": {"AutoRemove": one["remove"]},
        "NetworkSettings": {"Ports": ports},
    }


def _complain(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
