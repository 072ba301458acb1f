"""What shortcuts cost: batches, threads, int8 weights and int8 vectors.

python -m benchmarks.shortcuts --data DIR [--json]

DIR is a folder in the format of `squad2_dev`. Its passages and questions are embedded in each way and looked
up by plain cosine, everything else alike; `cosine` is the mean and `worst` the least likeness to the vectors
of one text at a time in float32, `ms` the time a passage. What the graph of past turns misses is told by
`benchmarks.nearest`.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import settings
from benchmarks import machine, questions
from loaders.passages import split
from stores.embeddings import Vectors
from terminal import show
from terminal.progress import Bar

BATCH, TOP, WINDOW = 32, 10, 254
Embed = Callable[[Sequence[list[int]]], Vectors]


def measure(asked: questions.QuestionSet, chosen: settings.Settings, bar: Bar) -> list[dict[str, Any]]:
    """One row a way of embedding: hit@1 and hit@3, likeness and time."""
    from langchain_core.documents import Document
    from tokenizers import Tokenizer

    from stores import minilm_graph

    texts = [Document(text, metadata={"file": name}) for name, text in asked.texts.items()]
    passages = split(texts, chosen.chunk_size, chosen.chunk_overlap)
    tokenizer = Tokenizer.from_file(str(minilm_graph.bundled_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    told = [tokenizer.encode(one.page_content).ids[: WINDOW + 1] for one in passages]
    said = [tokenizer.encode(one.question).ids[: WINDOW + 1] for one in asked.asked]
    right = [
        {at for at, passage in enumerate(passages) if _holds(passage.metadata, one)} for one in asked.asked
    ]
    with tempfile.TemporaryDirectory() as home:
        ways = _ways(minilm_graph.assemble(minilm_graph.bundled_folder()), Path(home))
        rows, reference = [], np.empty((0, 0), np.float32)
        for done, (name, embed) in enumerate(ways.items()):
            bar(name, done, len(ways))
            started = time.perf_counter()
            vectors = embed(told)
            ms = 1000 * (time.perf_counter() - started) / len(told)
            reference = reference if reference.size else vectors
            found = _row(name, vectors @ embed(said).T, right, (vectors * reference).sum(1))
            rows.append(found | {"ms": round(ms, 1)})
        whole = np.round(127 * reference / np.abs(reference).max(1, keepdims=True))
        stored = whole / np.linalg.norm(whole, axis=1, keepdims=True)
        scores = stored @ next(iter(ways.values()))(said).T
        likeness = (stored * reference).sum(1)
        rows.append(_row("vectors kept as int8", scores, right, likeness) | {"ms": None})
    return rows


def _ways(graph: Any, home: Path) -> dict[str, Embed]:
    from onnxruntime.quantization import quantize_dynamic

    whole = home / "whole.onnx"
    whole.write_bytes(graph.SerializeToString())
    ways = {"one at a time": _one(whole, 1), "two threads": _one(whole, 2)}
    ways[f"{BATCH} at a time"] = _many(whole)
    for name, apart in (("int8 per channel", True), ("int8 per tensor", False)):
        small = home / f"{apart}.onnx"
        quantize_dynamic(whole, small, per_channel=apart)
        ways[name] = _one(small, 1)
    return ways


def _one(path: Path, threads: int) -> Embed:
    session = _session(path, threads)

    def embed(tokens: Sequence[list[int]]) -> Vectors:
        return np.array([_run(session, np.array([ids]))[0] for ids in tokens])

    return embed


def _many(path: Path) -> Embed:
    session = _session(path, 1)

    def embed(tokens: Sequence[list[int]]) -> Vectors:
        found = []
        for start in range(0, len(tokens), BATCH):
            some = tokens[start : start + BATCH]
            row = np.zeros((len(some), max(map(len, some))), np.int64)
            for at, ids in enumerate(some):
                row[at, : len(ids)] = ids
            found.append(_run(session, row))
        return np.concatenate(found)

    return embed


def _run(session: Any, row: Any) -> Vectors:
    vectors: Vectors = session.run(None, {"input_ids": row, "attention_mask": (row > 0).astype(np.int64)})[0]
    return vectors


def _session(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _holds(place: dict[str, Any], one: questions.Asked) -> bool:
    inside = (place["start"] <= first and last <= place["end"] for first, last in one.spans)
    return place["file"] == one.text and any(inside)


def _row(name: str, scores: Any, right: Sequence[set[int]], likeness: Any) -> dict[str, Any]:
    """The scores are [passages, questions]."""
    order = np.argsort(-scores, axis=0, kind="stable")[:3].T.tolist()
    hits = {}
    for k in (1, 3):
        found = [bool(own & set(best[:k])) for best, own in zip(order, right, strict=True)]
        hits[f"hit@{k}"] = round(100 * statistics.fmean(found), 1)
    return {
        "method": name,
        **hits,
        "cosine": round(float(likeness.mean()), 5),
        "worst": round(float(likeness.min()), 5),
    }


def main(
    data: Annotated[Path, typer.Option(help="A folder like squad2_dev.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare shortcuts with doing everything exactly."""
    asked = questions.load(data)
    with Bar() as bar:
        rows = measure(asked, settings.load(), bar)
    if json:
        told = {"set": asked.name, "machine": machine.described(), "rows": rows}
        show.as_json(told)
        return
    show.rows(rows, f"{asked.name}, plain cosine")


if __name__ == "__main__":
    typer.run(main)
