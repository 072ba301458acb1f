"""Containers, as docker tells of them: looked at, stopped once no answer is under way, started until up."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from errors import BadInput, PartMissing
from training.programs import LONGEST, Limits, asked

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
SERVES = {"running", "restarting"}
ABSENT = re.compile(r"no such (?:container|object)", re.I)
TRIES = 3
ANYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104  # where a port is published, not where we listen
# vLLM's own count of those who wait for an answer.
UNDER_WAY = re.compile(r"^vllm:num_requests_(?:running|waiting)(?:\{.*\})? ([0-9.e+]+)$", re.M)


@dataclass(frozen=True)
class Container:
    """One of them; `health` is "" where it is not checked, `address` where no port is published.

    `passing`: it is removed when it stops.
    """

    name: str
    status: str
    health: str
    passing: bool
    address: str


class Docker:
    """The `docker` of this machine; a command that outlives us keeps the file `held`, and the lock on it."""

    def __init__(self, limits: Limits, held: int) -> None:
        if shutil.which("docker") is None:
            raise PartMissing("There is no `docker` on the PATH: install it, or train without --instead-of.")
        self._limits, self._held = limits, held

    def look(self, name: str) -> Container | None:
        """A container as it is; None where there is none of that name.

        Raises:
            BadInput: no name of a container. PartMissing: docker fails, or says what cannot be understood.
        """
        if not NAME.fullmatch(name):
            raise BadInput(f"{name!r} is no name of a container.")
        try:
            said = self._docker(["inspect", "--type", "container", name], self._limits.look)
        except PartMissing as error:
            if ABSENT.search(str(error)):
                return None
            raise
        try:
            return _container(name, json.loads(said)[0])
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            reason = " ".join(said.split())[:60] or "nothing"
            raise PartMissing(f"`docker inspect {name}` says what cannot be understood: {reason}.") from error

    def drain(self, name: str, enough: Callable[[], bool]) -> None:
        """Wait, not for ever, until no answer is under way: a vLLM that is told to end breaks it off."""
        found = self.look(name)
        until = time.monotonic() + self._limits.drain
        while found and found.address and time.monotonic() < until and not enough() and _busy(found.address):
            time.sleep(self._limits.pause)

    def stop(self, name: str) -> None:
        """Let it end, by force if it must be; one that ended already is no fault."""
        limit = self._limits.stop + self._limits.slack
        self._docker(["stop", "-t", str(self._limits.stop), name], limit)
        found = self.look(name)
        if found and found.status in {*SERVES, "paused"}:
            raise PartMissing(f"docker stopped {name}, and says that it is {found.status}.")

    def start(self, name: str) -> None:
        """Let it run; one that runs already is no fault. A port may need a moment to be free: try again."""
        for left in reversed(range(TRIES)):
            try:
                self._docker(["start", name], self._limits.start)
            except PartMissing:
                if not left:
                    raise
                time.sleep(self._limits.pause)
            else:
                return

    def up(self, name: str, enough: Callable[[], bool]) -> None:
        """Wait until it runs, and is healthy where that is looked after; `enough` ends the second wait.

        Raises:
            PartMissing: it does not, in time.
        """
        began = time.monotonic()
        while True:
            try:
                found = self.look(name)
                how = (
                    "is gone"
                    if found is None
                    else f"is {found.status}, its health {found.health or 'unknown'}"
                )
            except PartMissing as error:
                found, how = None, str(error).rstrip(".")
            runs = found is not None and found.status == "running"
            if found and runs and (found.health in {"", "healthy"} or enough()):
                return
            if time.monotonic() - began > (self._limits.healthy if runs else self._limits.up):
                raise PartMissing(f"it {how}")
            time.sleep(self._limits.pause)

    def _docker(self, words: Sequence[str], seconds: float) -> str:
        return asked(["docker", *words], seconds, (self._held,))


def _container(name: str, told: Any) -> Container:
    state, ports = told["State"], told.get("NetworkSettings", {}).get("Ports") or {}
    published = [place for places in ports.values() for place in places or ()]
    address = ""
    if published:
        host = published[0]["HostIp"]
        host = "127.0.0.1" if host in ANYWHERE else f"[{host}]" if ":" in host else host
        address = f"http://{host}:{int(published[0]['HostPort'])}"
    return Container(
        name,
        str(state["Status"]),
        str((state.get("Health") or {}).get("Status", "")).replace("none", ""),
        bool(told.get("HostConfig", {}).get("AutoRemove")),
        address,
    )


def _busy(address: str) -> bool:
    """Whether a vLLM there has requests; False where it does not say."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{address}/metrics", timeout=2) as answer:
            text = answer.read(LONGEST).decode("utf-8", "replace")
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return any(float(number) > 0 for number in UNDER_WAY.findall(text))
