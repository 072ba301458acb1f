"""One turn: a user's message and what followed it, step by step, until its final answer is known."""

from dataclasses import dataclass, field
from datetime import datetime

from loaders.vibe.actions import Action, called, ended

CALLED = frozenset({"assistant", "tool"})  # roles whose messages continue a turn


@dataclass(frozen=True)
class Call:
    """A tool call in an assistant's message."""

    id: str | None
    tool: str
    arguments: object


@dataclass(frozen=True)
class Said:
    """An assistant's message; without calls, its text may be the final answer."""

    text: str
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Done:
    """A tool's result."""

    call: str | None
    tool: str
    output: str


@dataclass(frozen=True)
class Lost:
    """A damaged place; the role of the one message lost there, None where it may have been any or several."""

    role: str | None = None


Step = Said | Done | Lost


@dataclass
class Turn:
    """A genuine user message; `key` is its id in the log, `answer` None as long as there is no final one."""

    key: str | None
    user: str
    time: datetime | None = None
    answer: str | None = None
    actions: list[Action] = field(default_factory=list)
    closed: bool = False
    doubtful: bool = False
    steps: list[Step] | None = None  # in order, where the reader was asked to keep them
    seen: str | None = None  # kept with them: the user's message as the model saw it
    flaw: str | None = None  # kept with them: why they are not all that the model saw and did
    _calls: dict[str, Action] = field(default_factory=dict)

    @property
    def waiting(self) -> bool:
        """Whether the log ends within this turn, so that another one may continue it."""
        return self.answer is None and not self.closed and not self.doubtful

    def follow(self, step: Step) -> None:
        """Take the next step, unless damage before it leaves open whether it still belongs to this turn."""
        if self.closed:
            return
        if isinstance(step, Lost):
            self._lose(step)
        elif self.doubtful and not (isinstance(step, Done) and step.call in self._calls):
            self.closed = True
        else:
            self.doubtful = False
            self._take(step)

    def _lose(self, lost: Lost) -> None:
        if lost.role in CALLED:
            self.answer = None
        elif self.answer is None:
            self.doubtful = True
        else:
            self.closed = True
            return
        self._keep(lost)

    def _take(self, step: Said | Done) -> None:
        self._keep(step)
        if isinstance(step, Done):
            self.answer = None
            ended(self._called_by(step), step.output)
        elif step.calls:
            self.answer = None
            self._calls = {}
            for call in step.calls:
                self._start(call.id, called(call.tool, call.arguments))
        elif step.text.strip():
            self.answer = step.text
            self._calls = {}

    def _keep(self, step: Step) -> None:
        if self.steps is not None:
            self.steps.append(step)

    def _called_by(self, done: Done) -> Action:
        action = self._calls.pop(done.call, None) if done.call else None
        return action or self._start(None, called(done.tool or "tool", None))

    def _start(self, call_id: str | None, action: Action) -> Action:
        self.actions.append(action)
        if call_id:
            self._calls[call_id] = action
        return action
