"""One GPU cannot serve and train at once: the server's containers stop, a training runs, and they run again.

instead_of(journal, ["devstral-vllm"], words, say)   a training, a process of its own, in their place
recover(journal, say)                                what a killed training left stopped runs again

The journal is written before each step, and every step may be done twice. So whatever kills this process, the
next start knows what is left to do; the lock says whether anything of it still runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import lending
from errors import BadInput, PartMissing, RecuerdoError, StoreFailed
from lending import Lent
from training.containers import SERVES, Docker
from training.journal import clear, left, locked, write
from training.programs import Limits, NoAnswer, ending_with_us, occupied
from training.told import Told

Say = Callable[[str], None]


def instead_of(
    journal: Path, names: Sequence[str], words: Sequence[str], say: Say, limits: Limits | None = None
) -> int:
    """Run a training while containers make room for it; its exit status, once they run again.

    It is a process of its own: what it holds of the GPU is free when it has ended, however that was. It has
    the lock too, and is told to end when this process dies. Raises as `lent` does.
    """
    with _room(journal, names, say, limits or Limits()) as room:
        return room.train(words)


@contextmanager
def lent(journal: Path, names: Sequence[str], say: Say, limits: Limits | None = None) -> Iterator[None]:
    """The GPU without these containers, as long as the block lasts; those that ran before it run after it.

    A server needs what the block holds of the GPU: where that is not free at its end, use `instead_of`.

    Raises:
        BadInput: a container that cannot be stopped and started again. Locked: another training has the GPU.
        PartMissing: docker fails, or the GPU is not free. StoreFailed: the journal cannot be written.
        KeyboardInterrupt: a signal to end; in the block as soon as it comes.
    """
    if not names:
        yield
        return
    with _room(journal, names, say, limits or Limits()) as room:
        room.told.breaks = True
        try:
            yield
        finally:
            room.told.breaks = False


def recover(journal: Path, say: Say, limits: Limits | None = None) -> str | None:
    """Bring back what a killed training left stopped; the sentence that says so, None where nothing was.

    Raises:
        Locked: a training has the GPU. PartMissing: docker fails. StoreFailed: the journal is damaged.
    """
    if not (journal.exists() or lending.lock_of(journal).exists()):
        return None
    limits, told = limits or Limits(), Told()
    with told.listening(), locked(journal, limits.left, told.heeded) as held:
        found = left(journal)
        if found is None:
            return None
        _Room(journal, Docker(limits, held), held, say, told, found).give_back_of_killed()
    return f"The training that began at {found.time} was broken off: {_named(found)} again."


@contextmanager
def _room(journal: Path, names: Sequence[str], say: Say, limits: Limits) -> Iterator[_Room]:
    """Room made, and given back however the block ends."""
    told = Told()
    with told.listening(), locked(journal, limits.left, told.heeded) as held:
        docker = Docker(limits, held)
        found = left(journal)
        if found and not set(found.containers) <= set(names):
            _Room(journal, docker, held, say, told, found).give_back_of_killed()
            found = None
        # What a killed training stopped need not run for a moment in between.
        containers = {*(found.containers if found else ()), *_serving(docker, names)}
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        room = _Room(
            journal, docker, held, say, told, Lent("draining", tuple(sorted(containers)), since, 0, "")
        )
        room.note("draining")
        try:
            room.make(limits)
            yield room
        except BaseException:
            try:
                room.give_back()
                room.tell_that_all_runs()
            except RecuerdoError as fault:  # of two the first is the reason
                room.tell(str(fault))
            raise
        room.give_back()
        room.tell_that_all_runs()


@dataclass
class _Room:
    """What a training is lent, and what is given back after it."""

    journal: Path
    docker: Docker
    held: int
    say: Say
    told: Told
    entry: Lent
    unsure: list[str] = field(default_factory=list)
    """Containers that docker was told to stop, and that may stop at any moment."""

    def make(self, limits: Limits) -> None:
        """Stop the containers, and see that the GPU is free."""
        for name in self.entry.containers:
            self.docker.drain(name, lambda: bool(self.told.signals))
            self.told.heeded()
            self.tell(f"{name} makes room for the training.")
            try:
                self.docker.stop(name)
            except NoAnswer:
                self.unsure.append(name)
                raise
        self.note("stopped")
        if reason := occupied(limits):
            raise PartMissing(reason)
        self.told.heeded()
        self.note("training")

    def train(self, words: Sequence[str]) -> int:
        """Run a program to its end; its exit status."""
        try:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                pass_fds=(self.held,),
                start_new_session=True,
                preexec_fn=ending_with_us(signal.SIGTERM),  # noqa: PLW1509  # there is one thread only
            )
        except OSError as error:
            raise PartMissing(f"`{' '.join(words)}` cannot be started: {error.strerror}.") from error
        status = self.told.outlive(child)
        if status == -signal.SIGKILL:
            self.tell("The training was killed, as a system without memory does.")
        return status if status >= 0 else 128 - status

    def give_back(self) -> None:
        """Start the containers, see that they run, and clear the journal."""
        heard = len(self.told.signals)
        for name in self.unsure:  # what is started before its stop is over would be stopped by it
            with suppress(PartMissing):
                self.docker.stop(name)
        with suppress(StoreFailed):  # what is left to do is known all the same
            self.note("restarting")
        if self.entry.containers:
            self.tell(f"Starting {' and '.join(self.entry.containers)} …")
        faults: dict[str, str] = {}
        for step in (
            self.docker.start,
            lambda name: self.docker.up(name, lambda: len(self.told.signals) > heard),
        ):
            for name in self.entry.containers:
                try:
                    step(name) if name not in faults else None
                except PartMissing as error:
                    faults[name] = str(error).rstrip(".")
        if faults:
            name, why = next(iter(faults.items()))
            raise PartMissing(
                f"{name} does not run again ({why}): run `docker start {name}` when docker is in order, "
                "or `python -m training recover`."
            )
        if self.entry.containers:
            clear(self.journal)

    def give_back_of_killed(self) -> None:
        """The same for a training that cannot do it any more; it may have been told to stop a container."""
        if self.entry.state == "draining":
            self.unsure.extend(self.entry.containers)
        self.give_back()

    def note(self, state: str) -> None:
        """Write down a step that begins."""
        pid = os.getpid()
        self.entry = replace(self.entry, state=state, pid=pid, born=lending.birth(pid))
        if self.entry.containers:
            write(self.journal, self.entry)

    def tell_that_all_runs(self) -> None:
        """The good end."""
        if self.entry.containers:
            self.tell(f"{_named(self.entry)} again.")

    def tell(self, sentence: str) -> None:
        """Say something; a terminal that is gone must not keep us from the rest."""
        with suppress(Exception, SystemExit):
            self.say(sentence)


def _serving(docker: Docker, names: Sequence[str]) -> Iterator[str]:
    """Those of the containers that run, and can be stopped and started again."""
    for name in names:
        found = docker.look(name)
        if found is None or found.status not in {*SERVES, "paused"}:
            continue
        if found.status == "paused":
            raise BadInput(f"{name} is paused: run `docker unpause {name}` first, or `docker stop {name}`.")
        if found.passing:
            raise BadInput(f"{name} was started with --rm, and would be gone: start it without, or stop it.")
        yield name


def _named(entry: Lent) -> str:
    verb = "runs" if len(entry.containers) == 1 else "run"
    return f"{' and '.join(entry.containers)} {verb}"
