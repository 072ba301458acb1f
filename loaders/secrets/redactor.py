"""Secrets out of text before it is stored: each becomes a typed placeholder, what stands around it stays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from loaders.secrets.blocks import boxed
from loaders.secrets.rules import surrounded
from loaders.secrets.shapes import shaped
from loaders.secrets.values import Span, is_distinctive, is_literal
from loaders.secrets.words import named

if TYPE_CHECKING:
    from kingfisher_sdk import Finding, Scanner

OWN_RULES = 2  # goes up with every change of our own rules, so that what was redacted by older ones is known

_PLACEHOLDER = re.compile(r"\[redacted:[a-z0-9-]+\]")
_MARK = "\x1a"  # stands where a placeholder is
_ESCAPE = re.compile(r"(?<!\\)\\++[\"'`nrt\n]|&(?:quot|#34|#39|apos);")
# Names that belong to a secret but are none, and rules that take more than the secret, where ours are exact.
_PASSED_OVER = re.compile(
    r"(?:client|access|application|account|project|api)-id\b|pub(?:lic)?-(?:api-)?key|project-api-key|-pub-"
    r"|credential-uri|connection-string$|credentials$|service-account$|curl-auth|webhook|sensitive-url"
    r"|kubernetes-secret|private-key$"
)
_HELPERS = re.compile(r"secret-access-key|api-secret|passphrase|security-token|consumer-key")
_RENAMED = {"aws-access-token": "aws-access-key", "aws-secret-access-key": "aws-secret-key"}


@dataclass(frozen=True)
class Redacted:
    """A text without its secrets, and how many were taken out."""

    text: str
    count: int


class Redactor:
    """Kingfisher's rules and ours over any text that a person or a program wrote."""

    def __init__(self, cache: Path) -> None:
        # Compiled rules, which take seconds to make; kingfisher leaves it alone where others may write.
        self._cache = cache

    @cached_property
    def version(self) -> str:
        """Changes whenever the rules do."""
        return f"kingfisher {version('kingfisher-secret-scanner')}, own rules {OWN_RULES}"

    def redact(self, text: str) -> Redacted:
        """The same text gives the same result, and a redacted text stays as it is."""
        count = 0
        while spans := self._spans(text):
            count += len(spans)
            text = _replaced(text, spans)
        return Redacted(text, count)

    def _spans(self, text: str) -> list[Span]:
        scan = _flattened(text)
        found = [*shaped(scan), *surrounded(scan), *boxed(scan), *named(scan), *self._known(scan)]
        found += _repeated(scan, found)
        return _merged(scan, found)

    def _known(self, scan: str) -> Iterator[Span]:
        data = scan.encode("utf-8", "replace")
        findings = [finding for finding in self._scanner.scan(data) if _is_secret(finding)]
        offsets = _character_offsets(data, [end for finding in findings for end in _bounds(finding)])
        for finding in findings:
            start, end = (offsets[offset] for offset in _bounds(finding))
            kind = finding.rule_id.split("/")[-1].split(".", 1)[-1].split(".")[0]
            yield Span(start, end, _RENAMED.get(kind, kind))

    @cached_property
    def _scanner(self) -> Scanner:
        from kingfisher_sdk import Rules, Scanner

        # Finding needs no network, and nothing here validates.
        return Scanner(Rules(confidence="medium", cache_dir=self._cache))


def _flattened(text: str) -> str:
    """The text with escapes undone, in the same length: much of it was quoted in JSON, and in JSON again."""
    text = text.replace("\0", " ").replace("\ufeff", " ").replace("İ", "I").replace(_MARK, " ")
    text = _PLACEHOLDER.sub(lambda match: _MARK * len(match[0]), text)
    return _ESCAPE.sub(_unescaped, text) if "\\" in text or "&" in text else text


def _unescaped(match: re.Match[str]) -> str:
    written = match[0]
    if written.endswith("\n") or written == "\\\\\\n":  # a command goes on in the next line
        return " " * len(written)
    last = {"n": "\n", "r": "\n", "t": "\t", ";": '"'}.get(written[-1], written[-1])
    return last * len(written)


def _is_secret(finding: Finding) -> bool:
    name = finding.rule_id
    if _PASSED_OVER.search(name) or not (finding.visible or _HELPERS.search(name)):
        return False
    return finding.is_base64_encoded or is_literal(finding.secret[:200])


def _bounds(finding: Finding) -> tuple[int, int]:
    return finding.location["start_offset"], finding.location["end_offset"]


def _character_offsets(data: bytes, offsets: list[int]) -> dict[int, int]:
    """Where in the text these bytes of its UTF-8 lie, in one pass."""
    known, byte, character = {}, 0, 0
    for offset in sorted(set(offsets)):
        character += len(data[byte:offset].decode("utf-8", "ignore"))
        known[offset], byte = character, offset
    return known


def _repeated(scan: str, found: list[Span]) -> Iterator[Span]:
    """The other places of what was found: without a keyword beside it a password is not seen there."""
    kinds = {scan[start:end]: kind for start, end, kind in found}
    values = [value for value in kinds if is_distinctive(value)]
    for value in values[: 200_000_000 // (len(scan) + 1)]:  # a long text full of secrets stays linear
        at = scan.find(value)
        while at >= 0:
            end = at + len(value)
            if not (scan[at - 1 : at].isalnum() or scan[end : end + 1].isalnum()):
                yield Span(at, end, kinds[value])
            at = scan.find(value, end)


def _merged(scan: str, found: Iterable[Span]) -> list[Span]:
    """Apart and in order; of those that overlap all is taken, under the name of the first and longest."""
    merged: list[Span] = []
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        if span.start == span.end or _MARK in scan[span.start : span.end]:
            continue
        if merged and span.start < merged[-1].end:
            merged[-1] = merged[-1]._replace(end=max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _replaced(text: str, spans: list[Span]) -> str:
    pieces, at = [], 0
    for start, end, kind in spans:
        pieces += [text[at:start], f"[redacted:{kind}]"]
        at = end
    return "".join([*pieces, text[at:]])
