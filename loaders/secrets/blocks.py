"""Secrets that show by the block of lines that they stand in: a private key, a table, a Kubernetes secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

from loaders.secrets.names import classify
from loaders.secrets.values import Span, entropy, is_literal, looks_chosen, looks_random

_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}-----")
_PEM_LINE = re.compile(r"\n[\s\"'+,\\]*[A-Za-z0-9+/=]{4,}[\"'+,\\ ]*(?=\n)|[A-Za-z0-9+/=]{40}")
# Headers, long runs, and at the end of a line the rest of one.
_PEM_BODY = re.compile(
    r"(?>[\s\"'\\+,]|[A-Z][A-Za-z-]{2,20}: [^\n]{1,80}\n|[A-Za-z0-9+/=]{16,}"
    r"|(?<=\s)(?=\S*[\d+/=]|\S*[a-z][A-Z])[A-Za-z0-9+/=]{2,15}(?=[\"' \t]*(?:\n|$)))*+"
)
_PUTTY = re.compile(r"Private-Lines: \d{1,3}\s+((?:[A-Za-z0-9+/=]{8,80}\s*)+)")
_KUBERNETES = re.compile(r"kind:\s*[\"']?Secret\b")
_DATA = re.compile(
    r"^(?P<in>[ \t]*)(?:data|stringData):[ \t]*\n(?:(?P=in)[ \t]+[^\n]*(?:\n|$))+", re.MULTILINE
)
_DATUM = re.compile(r"^[ \t]+[\w.-]+:[ \t]*[\"']?([^\s\"'|>#{]{4,4000})", re.MULTILINE)
_COLUMN = re.compile(r"passw|pwd|contrase|clave|token|secret|key")
# Cells between bars, or plain words from the first column on.
_HEADER = re.compile(
    r"\s*\|?(?:[\w *`-]{1,40}\|)+[\w *`-]{0,40}"
    r"|\w[\w -]{0,40}(?:(?P<sign>[,;\t])\w[\w -]{0,40})(?:(?P=sign)\w[\w -]{0,40})*"
)
_INSERT = re.compile(r"\(([^()\n]{1,400})\)\s{0,40}VALUES\s{0,40}(?=\()", re.IGNORECASE)
_ROW = re.compile(r"[\s,]{0,40}\(([^()\n]{1,2000})\)")
_FIELD = re.compile(r"\s*(?:'[^'\n]*'|\"[^\"\n]*\"|[^,\n]*)(?:,|$)")
_EDGE = " \t\r\"'`*,"


def boxed(scan: str) -> Iterator[Span]:
    """Every secret that its block gives away."""
    yield from _private_keys(scan)
    yield from _tables(scan)
    yield from _inserts(scan)
    if _KUBERNETES.search(scan):
        for block in _DATA.finditer(scan):
            for match in _DATUM.finditer(scan, *block.span()):
                if is_literal(match[1]):
                    yield Span(*match.span(1), "secret")


def _private_keys(scan: str) -> Iterator[Span]:
    """From BEGIN to END, or to where the key breaks off; who only speaks of such lines gives no key away."""
    begins = list(_PEM.finditer(scan))
    for begin, following in zip_longest(begins, begins[1:]):
        limit = following.start() if following else len(scan)
        end = _PEM_END.search(scan, begin.end(), min(limit, begin.end() + 20_000))
        if end and _holds_key(scan[begin.end() : end.start()]):
            yield Span(begin.start(), end.end(), "private-key")
            continue
        body = _PEM_BODY.match(scan, begin.end(), limit)
        if body and re.search(r"[A-Za-z0-9+/]{16}", body[0]):
            yield Span(begin.start(), begin.end() + len(body[0].rstrip(_EDGE + "\n")), "private-key")
    for match in _PUTTY.finditer(scan):
        yield Span(*match.span(1), "private-key")


def _holds_key(body: str) -> bool:
    return bool(_PEM_LINE.search(body + "\n")) and entropy(body) > 2.5


def _tables(scan: str) -> Iterator[Span]:
    """The cells below a heading such as password, in Markdown and in comma-separated lines."""
    done = 0
    for column in _COLUMN.finditer(scan.lower()):
        if column.start() < done:
            continue
        begin, end = _line(scan, column.start())
        done = end
        header = _HEADER.fullmatch(scan, begin, end)
        if not header:
            continue
        separator = header["sign"] or "|"
        names = [scan[begin:end] for begin, end in _cells(scan, begin, end, separator)]
        done = end + 1
        while done < len(scan):
            begin, end = _line(scan, done)
            cells = _cells(scan, begin, end, separator)
            if len(cells) != len(names):
                break
            yield from _under(names, scan, cells)
            done = end + 1


def _line(scan: str, at: int) -> tuple[int, int]:
    """Where the line around a place begins and ends; of a very long line the part around it."""
    begin = scan.rfind("\n", max(0, at - 300), at) + 1 or max(0, at - 300)
    end = scan.find("\n", at, at + 4000)
    return begin, end if end >= 0 else min(len(scan), at + 4000)


def _inserts(scan: str) -> Iterator[Span]:
    for insert in _INSERT.finditer(scan):
        names = insert[1].split(",")
        row = _ROW.match(scan, insert.end())
        while row:
            cells = [match.span() for match in _FIELD.finditer(scan, *row.span(1)) if match[0]]
            if len(cells) == len(names):
                yield from _under(names, scan, cells)
            row = _ROW.match(scan, row.end())


def _cells(scan: str, begin: int, end: int, separator: str) -> list[tuple[int, int]]:
    cells = []
    for cell in scan[begin:end].split(separator):
        cells.append((begin, begin + len(cell)))
        begin += len(cell) + 1
    return cells


def _under(names: list[str], scan: str, cells: list[tuple[int, int]]) -> Iterator[Span]:
    for name, (begin, end) in zip(names, cells, strict=True):
        kind = classify(name.strip(_EDGE)) if len(name) < 40 else None
        cell = scan[begin:end].rstrip(_EDGE)
        value = cell.lstrip(_EDGE)
        if kind and (looks_chosen(value) if kind.chosen else looks_random(value, 8)):
            yield Span(begin + len(cell) - len(value), begin + len(cell), kind.kind)
