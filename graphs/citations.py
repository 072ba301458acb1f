"""Citations that hold: every `[n]` in an answer points at a delivered passage, or it is taken out."""

from __future__ import annotations

import re
from collections.abc import Sequence

# gpt-oss writes 【1†source】; some models write [1, 2], [1; 2], [1-3] or [passage 1]. A year is no citation.
OPENING, CLOSING = "[【", "]】"
CITATION = re.compile(
    r"[\[【]\s*(?:passages?|pasajes?)?\s*(\d{1,3}(?:\s*[,;–-]\s*\d{1,3})*)\s*(?:†[^】\]]*)?[\]】]", re.I
)
LONGEST = 40
LEAST_SHARE = 0.7


class Citations:
    """Checks a streamed text piece by piece; text is held back only while it may still become a citation.

    `used` are the passage numbers that the answer cites, `removed` counts citations to nothing.
    """

    def __init__(self, passages: int) -> None:
        self._passages = passages
        self._held = ""
        self.used: set[int] = set()
        self.removed = 0

    def feed(self, piece: str) -> str:
        """Take the next piece; give what can be shown now."""
        self._held += piece
        # The space before goes with the citation, in case it is taken out.
        cut = len(self._held[: _unfinished(self._held)].rstrip(" "))
        ready, self._held = self._held[:cut], self._held[cut:]
        return self._checked(ready)

    def close(self) -> str:
        """The rest, once the text has ended."""
        ready, self._held = self._held, ""
        return self._checked(ready)

    def _checked(self, text: str) -> str:
        """Until nothing changes: what stood around a citation that was taken out may be one itself."""
        after = re.sub(r"( *)" + CITATION.pattern, self._replace, text, flags=re.I)
        return text if after == text else self._checked(after)

    def _replace(self, found: re.Match[str]) -> str:
        numbers = _numbers(found[2])
        good = [number for number in numbers if 1 <= number <= self._passages]
        self.removed += len(numbers) - len(good)
        self.used.update(good)
        return found[1] + "".join(f"[{number}]" for number in good) if good else ""


def _unfinished(text: str) -> int:
    """Where what may still become a citation begins: the first bracket near the end that is not closed."""
    opened: list[int] = []
    for at, sign in enumerate(text):
        if sign in OPENING:
            opened.append(at)
        elif sign in CLOSING and opened:
            opened.pop()
    return next((at for at in opened if len(text) - at <= LONGEST), len(text))


def support(answer: str, question: str, passages: Sequence[str]) -> int | None:
    """The number of the passage that an answer without citations was plainly taken from, or None.

    Every number in what the answer adds to the question must stand in the passage, and most of its words.
    """
    added = _words(answer) - _words(question)
    best, share = None, LEAST_SHARE
    for number, passage in enumerate(passages, start=1):
        known = _words(passage)
        found = {word for word in added if word in known}
        whole = all(word in found for word in added if word.isdigit())
        if added and whole and len(found) / len(added) > share:
            best, share = number, len(found) / len(added)
    return best


def _words(text: str) -> set[str]:
    """Numbers, and the beginnings of words of some length: `months` and `month` are one."""
    return {word if word.isdigit() else word[:5] for word in re.findall(r"\d+|[^\W\d]{3,}", text.lower())}


def _numbers(text: str) -> list[int]:
    """The numbers of `1, 3` or `2-4`; an absurd range is its two ends."""
    numbers: list[int] = []
    for part in re.split(r"[,;]", text):
        ends = [int(end) for end in re.findall(r"\d+", part)]
        near = len(ends) == 2 and 0 < ends[1] - ends[0] < 10
        numbers += range(ends[0], ends[1] + 1) if near else ends
    return numbers
