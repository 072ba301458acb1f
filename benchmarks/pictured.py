"""The numbers of each picture, taken from results.json; one that nothing was measured for is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any

from benchmarks.readme import METHODS, NAMES, PROXIES, RECALLING

Numbers = dict[str, Any]
BUDGET = 2000
PLACES = {
    "none": "no memory",
    "ours": "Recuerdo:\nstays with its message",
    "current_turn": "moves with\nthe last message",
    "system": "in the\nsystem message",
}
WAYS = {"one": "one client", "pause": "many clients, 2 s between questions"}
SPEEDS = {"embedder": "embedding model alone", "ours": "reading, embedding, writing"}


def _documents(results: Numbers) -> Numbers:
    """Set → method → the right passage among the first, in per cent, and milliseconds."""
    names = ("hit@1", "hit@3", "hit@5", "ms")
    return {
        NAMES.get(name, name): {
            METHODS.get(row["method"], row["method"]): {key: row[key] for key in names}
            for row in given["rows"]
        }
        for name, given in results["documents"].items()
    }


def _memory(results: Numbers) -> Numbers:
    """Method → pairs of characters delivered and evidence among them, in per cent."""
    told: dict[str, list[list[float]]] = {}
    for row in results["memory"]["rows"]:
        first, within = [row["chars@5"], row["recall@5"]], [BUDGET, row["recall_2000"]]
        shipped = [row["chars_shipped"], row["recall_shipped"]] if "recall_shipped" in row else first
        told[RECALLING.get(row["method"], row["method"])] = sorted([within, shipped])
    return told


def _proxy(results: Numbers) -> Numbers:
    """Proxy → milliseconds that it adds, at the median and for 95 of 100, and processor milliseconds."""
    columns = {"p50": "added_p50_ms", "p95": "added_p95_ms", "cpu": "cpu_ms_per_request"}
    rows = {row["method"]: row for row in results["proxy"]["overhead"]["rows"] if row["p50_ms"]}
    return {
        label: {name: rows[method][column] for name, column in columns.items()}
        for method, label in PROXIES.items()
        if method in rows
    }


def _prefix(results: Numbers) -> Numbers:
    """Place → tokens that are read anew in any case, for the memories themselves, and beyond both."""
    rows = {row["method"]: row for row in results["proxy"]["prefix"]}
    least = rows["none"]["tokens_read_anew"]
    return {
        PLACES[method]: [
            least,
            row["memory_tokens"],
            max(0, row["tokens_read_anew"] - least - row["memory_tokens"]),
        ]
        for method, row in rows.items()
        if method in PLACES
    }


def _speed(results: Numbers) -> Numbers:
    """What is indexed → by what → how much a second."""
    indexing = results["ingest"]["indexing"]
    logs = {row["method"]: row["turns_per_s"] for row in results["ingest"]["logs"]}
    return {
        "passages of documents": {
            SPEEDS["embedder"]: indexing["embedder_per_s"],
            SPEEDS["ours"]: indexing["index_per_s"],
        },
        "turns of logs": {label: logs[method] for method, label in SPEEDS.items()},
    }


def _scale(results: Numbers) -> Numbers:
    """Way to ask → rows of memories held, milliseconds added at the median and for 95 of 100."""
    told: dict[str, list[list[float]]] = {}
    for run in sorted(results["scale"]["runs"], key=lambda run: int(run["plan"]["memories"])):
        for row in run["asked"]:
            if row["way"] in WAYS:
                figures = [run["plan"]["memories"], row["added_p50_ms"], row["added_p95_ms"]]
                told.setdefault(WAYS[row["way"]], []).append(figures)
    return {way: rows for way, rows in told.items() if len(rows) > 1}


PICTURES: Mapping[str, Callable[[Numbers], Numbers]] = {
    "documents": _documents,
    "memory": _memory,
    "proxy": _proxy,
    "prefix": _prefix,
    "speed": _speed,
    "scale": _scale,
}


def numbers(results: Numbers) -> Iterator[tuple[str, Numbers]]:
    """The name of each picture that can be drawn, with what it shows."""
    for name, taken in PICTURES.items():
        try:
            shown = taken(results)
        except KeyError:  # not measured, or not yet
            continue
        if shown:
            yield name, shown


def fingerprint(shown: Numbers) -> str:
    """What a picture carries, so that anybody can tell whether it shows these numbers."""
    return sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
