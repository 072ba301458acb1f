"""The memory path of a request: what it is given, and why. It never fails one and never delays it long."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from errors import StoreFailed
from proxy.body import Chat
from proxy.budget import Budget, Count, estimated
from proxy.conversation import keys
from proxy.patience import Patience
from proxy.recalled import Asked, Recall, Recalled
from proxy.sticky import Given, Sticky
from proxy.turns import Turn, directory, may_remember, text_of, turn_of

# A client that names no session may send a request again; later, the same words begin a new conversation.
AGAIN_SECONDS = 5.0
NO_TURN = "not a user's turn"


@dataclass
class Told:
    """What a request was given and why; the fields of `explain`."""

    status: str = "skipped"
    reason: str = ""
    owner: str = ""
    project: str | None = None
    session: str = ""
    query: str | None = None
    candidates: Sequence[Mapping[str, Any]] = ()
    kept: Sequence[str] = ()
    memories: int = 0
    injected_tokens: int = 0
    recall_ms: float | None = None
    blocks: dict[int, str] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """What is written down of it: no text but the question's."""
        told = {name: value for name, value in vars(self).items() if name not in {"status", "blocks", "keys"}}
        return {"rag": self.status} | told


@dataclass(frozen=True)
class _Question:
    """A user's turn that has to be looked up."""

    chat: Chat
    size: int
    turn: Turn
    before: Mapping[int, Given]
    count: Count


@dataclass(frozen=True)
class Memory:
    """Everything that the memory path needs."""

    recall: Recall
    patience: Patience
    sticky: Sticky
    budget: Budget
    nothing: Callable[[str], bool] = lambda owner: False
    """Whether an owner's memory certainly holds nothing: then no request is looked into further."""

    async def enrich(
        self, chat: Chat, size: int, headers: Mapping[str, str], owner: str, count: Count
    ) -> Told:
        """What a request of a size in bytes is given: blocks by the index of their messages."""
        told = Told(owner=owner, project=headers.get("x-rag-project") or directory(chat.messages))
        told.session = headers.get("x-affinity", "")
        if not may_remember(chat, headers):
            told.reason = "no conversation with a user"
            return told
        turn = turn_of(chat, headers)
        if self.nothing(owner):
            told.status, told.reason = ("none", "nothing was ever taken in") if turn else ("skipped", NO_TURN)
            return told
        told.keys = keys(chat.messages, owner, told.project or "")
        known = self._known(told)
        current = known.pop(turn.index, None) if turn else None
        self._put_back(told, known)
        if turn is None:
            told.reason = told.reason or NO_TURN
        elif current and (known or _still(current, told.session)):  # what follows a known turn is its own
            told.status = told.status if told.blocks else "none"
            self._put_back(told, {turn.index: current})
        else:
            await self._look_up(told, _Question(chat, size, turn, known, count), current)
        told.injected_tokens = sum(estimated(block) for block in told.blocks.values())
        return told

    def give_up(self, told: Told) -> None:
        """The server refused the prompt with its blocks: these turns go without from now on."""
        for index in told.blocks:
            self._remember(told, index, Given(""), over=math.inf)

    def _known(self, told: Told) -> dict[int, Given]:
        try:
            return self.sticky.known(told.keys, told.session)
        except StoreFailed as error:
            told.reason = str(error)
            return {}

    def _put_back(self, told: Told, known: Mapping[int, Given]) -> None:
        """Give earlier turns what they were given, whatever their session was called."""
        for index, given in known.items():
            if given.session != told.session and not told.reason:  # where one cannot be kept, no other can
                self._remember(told, index, given)
            self._put(told, index, given, "replayed")

    async def _look_up(self, told: Told, question: _Question, before: Given | None) -> None:
        """Recall for a new turn; `before` is what the same words were given in another conversation."""
        started = time.perf_counter()
        index = question.turn.index
        try:
            recalled = await self.patience.ask(lambda: self.recall(_asked(told, question)))
            told.recall_ms = (time.perf_counter() - started) * 1000
            told.query, told.candidates = recalled.query, recalled.candidates
            if recalled.query is None:
                told.status, told.reason = "replayed" if told.blocks else "none", "nothing was ever taken in"
                return
            given = await self._fitting(told, question, recalled)
            # What cannot be kept is not given: the next request could not put it back.
            over = before.made if before else 0.0
            given = self.sticky.remember(told.keys[index], told.session, given, over=over)
        except Exception as error:  # noqa: BLE001  # whatever failed, the request goes on
            told.recall_ms = told.recall_ms or (time.perf_counter() - started) * 1000
            told.reason = str(error) or type(error).__name__
            if before:
                self._put(told, index, self._remember(told, index, before), "")
            told.status = "degraded"
            return
        told.kept = given.memories
        self._put(told, index, given, "injected")
        if not told.blocks:
            told.status = "none"

    async def _fitting(self, told: Told, question: _Question, recalled: Recalled) -> Given:
        """The block with as many memories as there is room for; the least relevant go first."""
        earlier = sum(len(block.encode()) for block in told.blocks.values())
        kept = len(recalled.kept)
        block = recalled.render(kept) if kept else ""
        wanted = earlier + len(block.encode())
        room = 0
        if kept:
            room = await self.budget.room(question.chat, question.size, wanted, question.count) - earlier
        while kept and not self.budget.fits(block, room, earlier):
            kept -= 1
            block = recalled.render(kept) if kept else ""
            told.reason = "not all that was found had room"
        turns = tuple(chain.from_iterable(recalled.turns[:kept]))
        return Given(block, tuple(recalled.kept[:kept]), turns=turns)

    def _remember(self, told: Told, index: int, given: Given, *, over: float = 0.0) -> Given:
        try:
            return self.sticky.remember(told.keys[index], told.session, given, over=over)
        except StoreFailed as error:
            told.reason = str(error)
            return given

    def _put(self, told: Told, index: int, given: Given, status: str) -> None:
        if given.block:
            told.blocks[index] = given.block
            told.memories += len(given.memories)
            told.status = status


def _still(given: Given, session: str) -> bool:
    """Whether a turn that is asked again is the same one, and not the same words in a new conversation."""
    return given.session == session and (bool(session) or given.made > time.time() - AGAIN_SECONDS)


def _asked(told: Told, question: _Question) -> Asked:
    before = question.chat.messages[: question.turn.index]
    said = {
        role: [text_of(one) for one in before if one.get("role") == role] for role in ("user", "assistant")
    }
    return Asked(
        question=question.turn.question,
        owner=told.owner,
        project=told.project,
        session=told.session or None,
        earlier=said["user"],
        answers=[text for text in said["assistant"] if text],
        given=[one for given in question.before.values() for one in (*given.memories, *given.turns)],
    )
