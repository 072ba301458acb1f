"""What the prompt holds already: a turn that the model can read above is not told to it again."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from langchain_core.documents import Document

ASKED, ANSWERED, DONE = "User: ", "\nAssistant: ", "\nActions: "
# Where a text was shortened, and where a secret was taken out: there a prompt may hold anything.
GAP = "[…]"
LEFT_OUT = re.compile(r"\[…\]|\[redacted:[a-z0-9-]+\]")
HALF = re.compile(r"\[[a-z0-9:-]*$")
WHITESPACE = b" \t\n\r\v\f"
# How many characters of an answer are compared, and of a question that is not whole. Fewer say too little.
LONGEST, SHORTEST = 200, 40


def absent(candidates: Sequence[Document], asked: Iterable[str], answered: Iterable[str]) -> list[Document]:
    """The candidates that a prompt does not hold, in their order.

    `asked` are the user's messages before the one to be answered, for who asks again wants the old answer;
    `answered` are the assistant's. Whitespace and what redaction took out make no difference.
    """
    questions = {_bare(message) for message in asked} - {b""}
    prompt = _Prompt(questions, b"\n".join(questions), b"\n".join(map(_bare, answered)))
    return [one for one in candidates if not _is_held(one, prompt)]


@dataclass(frozen=True)
class _Prompt:
    """What was said so far, without whitespace."""

    questions: Collection[bytes]
    asked: bytes
    answered: bytes


def _is_held(candidate: Document, prompt: _Prompt) -> bool:
    question, answer = _sides(candidate)
    begun = _beginning(answer)
    if begun and all(piece in prompt.answered for piece in begun):
        return True
    if _bare(question) in prompt.questions:
        return True
    pieces = [_bare(piece) for piece in LEFT_OUT.split(question)]
    if len(pieces) == 1 or sum(map(len, pieces)) < SHORTEST or max(pieces, key=len) not in prompt.asked:
        return False
    return any(_consists_of(asked, pieces) for asked in prompt.questions)


def _sides(candidate: Document) -> tuple[str, str]:
    """What was asked and what was answered, as far as it was delivered."""
    told = candidate.page_content.removeprefix(ASKED)
    noted = candidate.metadata.get("question")
    noted = noted if isinstance(noted, str) else ""
    if told.startswith(noted + ANSWERED):
        return noted, told[len(noted) + len(ANSWERED) :]
    question, _, answer = told.partition(ANSWERED)
    if noted and GAP in question:
        return HALF.sub("", noted) + GAP, answer
    return question, answer


def _beginning(answer: str) -> list[bytes]:
    """How an answer begins, in pieces around what was taken out; none where that is too short."""
    pieces, room = [], LONGEST
    for piece in LEFT_OUT.split(answer.partition(DONE)[0].partition(GAP)[0]):
        if len(piece[: max(room, 0)].strip()) >= SHORTEST:
            pieces.append(_bare(piece[:room]))
        room -= len(piece)
    return pieces


def _consists_of(text: bytes, pieces: Sequence[bytes]) -> bool:
    """Whether a text is these pieces in their order with anything between them."""
    first, *others, last = pieces
    at, end = len(first), len(text) - len(last)
    if not (text.startswith(first) and text.endswith(last)):
        return False
    for piece in others:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return at <= end


def _bare(text: str) -> bytes:
    """The text without its whitespace; as bytes, since that takes a fraction of the time."""
    return text.encode("utf-8", "surrogatepass").translate(None, WHITESPACE)
