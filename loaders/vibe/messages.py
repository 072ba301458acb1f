"""Messages in the form of OpenAI's protocol, as 1.x, 2.x and plain chats have them, put together to turns."""

import re
from datetime import datetime
from typing import Any

from loaders.vibe.salvage import Damage, Record, Shape
from loaders.vibe.turns import Call, Done, Lost, Said, Step, Turn

# A tuple, since a damaged log may hold a list in the place of a role, which no set can be asked for.
SPEAKERS = ("system", "developer", "user", "assistant", "tool", "function")
_TEXTS = ("text", "input_text", "output_text")
_WRAPPER = re.compile(r"<(compaction_summary|previous_user_messages)>.*</\1>", re.DOTALL)
_PREVIOUS = re.compile(r"<previous_user_message>\s*(.*?)\s*</previous_user_message>", re.DOTALL)
_HALF_CHARACTER = re.compile(r"[\ud800-\udfff]")
_ROLE = re.compile(r'\{\s*"role"\s*:\s*"(\w+)"')
_INJECTED = re.compile(r'(?<!\\)"injected"\s*:\s*true')
IMAGE = "image"  # what is wrong with a turn whose text is not all of it
SUBAGENT = "Scratchpad directory: "  # how the message to a subagent of 2.x begins


def is_message(record: Record) -> bool:
    """Whether this is one message with a role that is known."""
    return record.get("role") in SPEAKERS


FIELDS = frozenset(
    {"role", "content", "injected", "message_id", "tool_calls", "name", "tool_call_id", "function"}
    | {"arguments", "images", "reasoning_content", "reasoning_message_id", "user_display_content"}
)
MESSAGE = Shape(is_message, lambda _: FIELDS)


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or a list of parts of which some are text."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        content = "\n".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str):
        return ""
    return _HALF_CHARACTER.sub("\ufffd", content)  # half a pair cannot be stored as UTF-8


def shows_more(message: Record) -> bool:
    """Whether the message holds something that is no text: an image, say."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    kinds = [part.get("type", "text") for part in parts if isinstance(part, dict)]
    return bool(message.get("images")) or any(kind not in _TEXTS for kind in kinds)


def is_wrapper(text: str) -> bool:
    """Whether this is what the agent puts before a compacted conversation, and no question of a user's."""
    return _WRAPPER.search(text) is not None


def last_quoted(wrapper: str) -> str | None:
    """The user's last message before the compaction, where the wrapper quotes it."""
    quoted = _PREVIOUS.findall(wrapper)
    return quoted[-1] if quoted else None


class Conversation:
    """Turns in the making: messages and damaged places go in, in the order of the log.

    With `steps` each turn keeps all that was said and done in it, which takes as much memory as the log.
    """

    def __init__(self, steps: bool = False) -> None:
        self._steps = steps
        self.turns: list[Turn] = []
        self.lead: list[Step] = []  # what comes before the first user message
        self.wrapper: str | None = None  # the text that stands for a compacted history before the lead
        self.opening: str | None = None  # the first user message as the model saw it
        self._open: Turn | None = None

    def add(self, message: Record, time: datetime | None = None) -> bool:
        """Take one message; False where it is none that can be understood, and counts as lost."""
        role = message.get("role")
        if role == "user":
            self._hear(message, time)
        elif role == "assistant":
            self._follow(_said(message))
        elif role in ("tool", "function"):
            call = message.get("tool_call_id")
            name = message.get("name")
            output = text_of(message.get("content"))
            self._follow(Done(call if isinstance(call, str) else None, str(name or ""), output))
        elif role not in SPEAKERS and not message.keys().isdisjoint(FIELDS):
            self._lose(None)
            return False
        if self._steps and self._open and role != "assistant" and shows_more(message):
            self._open.flaw = IMAGE
        return True

    def lose(self, damage: Damage) -> None:
        """Take a damaged place: what may have stood there decides what the next messages belong to."""
        if damage.nothing_lost:
            return
        role = _lost_role(damage.fragment)
        if role == "user" and _INJECTED.search(damage.fragment):
            return
        if role not in ("system", "developer"):
            self._lose("tool" if role == "function" else role)

    def _hear(self, message: Record, time: datetime | None) -> None:
        content = text_of(message.get("content"))
        if is_wrapper(content):
            if not self.turns and not self.lead:
                self.wrapper = content
            return
        if message.get("injected") is True:
            return
        if self.opening is None:
            self.opening = content
        key = message.get("message_id")
        shown = text_of(message.get("user_display_content"))
        text = shown if shown.strip() and isinstance(message.get("user_display_content"), str) else content
        self._open = Turn(key if isinstance(key, str) and key else None, text, time)
        if self._steps:
            self._open.steps, self._open.seen = [], content
        self.turns.append(self._open)

    def _follow(self, step: Step) -> None:
        if self._open:
            self._open.follow(step)
        elif not self.turns:
            self.lead.append(step)

    def _lose(self, role: str | None) -> None:
        self._follow(Lost(role))
        if role == "user" and self._open:
            self._open.closed = True  # what follows answers a question that is lost


def _lost_role(fragment: str) -> str | None:
    """The role of the one message of which this is left; None where it may have been several."""
    first = _ROLE.match(fragment)
    if first is None or "\0" in fragment or _ROLE.search(fragment, first.end()):
        return None
    return first[1]


def _said(message: Record) -> Said:
    calls = message.get("tool_calls")
    found = [_call(call) for call in calls] if isinstance(calls, list) else []
    if isinstance(message.get("function_call"), dict):  # how it was written before tools
        found.append(_call({"function": message["function_call"]}))
    return Said(text_of(message.get("content")), tuple(found))


def _call(call: Any) -> Call:
    given: Record = call if isinstance(call, dict) else {}
    function: Record = given["function"] if isinstance(given.get("function"), dict) else {}
    identity = given.get("id")
    name = str(function.get("name") or "tool")
    return Call(identity if isinstance(identity, str) else None, name, function.get("arguments"))
