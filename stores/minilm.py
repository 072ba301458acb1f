"""all-MiniLM-L6-v2 on ONNX Runtime: the vectors of the reference at half its cost and without torch."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from errors import PartMissing, StoreFailed
from stores import minilm_graph
from stores.embeddings import Embedder, Progress, Vectors
from stores.windows import OVERLAP, spread

if TYPE_CHECKING:
    import onnxruntime

# A question waits for 42 MB of weights to come from the main memory, which two threads fetch sooner than one.
QUESTION_THREADS = 2
WINDOW = 254  # of the 256 tokens that the model reads, two are its own markers
START, END = 101, 102
PROBE = "That is a happy person"
# The model card's own example: how near these three are to the probe.
COMPANIONS = {
    "That is a happy dog": 0.6946,
    "That is a very happy person": 0.9429,
    "Today is a sunny day": 0.2569,
}


class MiniLM(Embedder):
    """all-MiniLM-L6-v2 in float32 on ONNX Runtime: the same vectors as the reference, without torch."""

    calibrated = True

    def __init__(self, model: str, folder: Path, cache: Path, threads: int) -> None:
        from tokenizers import Tokenizer

        self.model = model
        self._threads = threads
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # The file that ships with the weights truncates and pads to 128.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._folder, self._cache = folder, cache
        self._question_session = self._open(min(threads, QUESTION_THREADS))

    def windows(
        self, texts: Sequence[str], progress: Progress = lambda done: None
    ) -> tuple[Vectors, list[int]]:
        """Every window of every text [windows, 384], and how many windows each text has."""
        cut = [list(spread(ids, WINDOW)) for ids in self._tokens(texts)]
        flat = [ids for windows in cut for ids in windows]
        vectors = np.empty((len(flat), minilm_graph.DIMENSION), np.float32)
        # One window a call: on a CPU padding to a batch costs more than it saves.
        with ThreadPoolExecutor(self._threads) as pool:
            for row, vector in enumerate(pool.map(self._run, flat)):
                vectors[row] = vector
                progress(1)
        return vectors, [len(windows) for windows in cut]

    def query(self, text: str) -> Vectors:
        """One question [dimension]; the mean of its windows where it is longer than the model sees."""
        ids = self._tokenizer.encode(_whole(text)).ids[1:-1]
        return super().query(text) if len(ids) > WINDOW else _run(self._question_session, ids)

    def stretches(self, text: str) -> list[tuple[int, int]]:
        """Where each window of a text begins and ends, in characters."""
        offsets = self._tokenizer.encode(_whole(text)).offsets[1:-1]
        return [(spans[0][0], spans[-1][1]) for spans in spread(offsets, WINDOW) if spans]

    def truncated(self, texts: Sequence[str]) -> Vectors:
        """One vector a text [texts, 384] of its first 254 tokens: what the usual recipe makes of it."""
        tokens = [ids[:WINDOW] for ids in self._tokens(texts)]
        with ThreadPoolExecutor(self._threads) as pool:
            return np.array(list(pool.map(self._run, tokens)), np.float32)

    def fingerprint(self) -> dict[str, Any]:
        """What tells this model from every other, for the index to remember."""
        return {
            "model": "all-MiniLM-L6-v2",
            "revision": minilm_graph.WEIGHTS_SHA256,
            "dimension": minilm_graph.DIMENSION,
            "window": [WINDOW, OVERLAP],
            "probe": [round(float(value), 5) for value in self.query(PROBE)],
        }

    def _tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return [encoding.ids[1:-1] for encoding in self._tokenizer.encode_batch([*map(_whole, texts)])]

    def _run(self, ids: list[int]) -> Vectors:
        return _run(self._session, ids)

    @cached_property
    def _session(self) -> onnxruntime.InferenceSession:
        """For many windows: each is run by one thread, which wastes nothing on working together."""
        return self._open(1)

    def _open(self, threads: int) -> onnxruntime.InferenceSession:
        path = self._cache / f"minilm-{minilm_graph.WEIGHTS_SHA256[:12]}-{minilm_graph.GRAPH_VERSION}.onnx"
        if path.is_file() and (session := _session(path, threads)) and self._is_right(session):
            return session
        _write_graph(self._folder, path)
        session = _session(path, threads)
        if session is None or not self._is_right(session):
            raise StoreFailed(
                f"The embedding model in {path} does not give the vectors that it should: delete it."
            )
        return session

    def _is_right(self, session: onnxruntime.InferenceSession) -> bool:
        probe, *others = (_run(session, ids) for ids in self._tokens([PROBE, *COMPANIONS]))
        near = COMPANIONS.values()
        return all(
            abs(float(other @ probe) - value) < 0.001 for other, value in zip(others, near, strict=True)
        )


def _whole(text: str) -> str:
    """Half a surrogate pair, as a shell or a broken file may hand over, is no text to the tokenizer."""
    return text.encode("utf-8", "replace").decode()


def _run(session: onnxruntime.InferenceSession, ids: list[int]) -> Vectors:
    row = np.array([[START, *ids, END]])
    vector: Vectors = session.run(None, {"input_ids": row, "attention_mask": np.ones_like(row)})[0][0]
    return vector


def _session(path: Path, threads: int) -> onnxruntime.InferenceSession | None:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as failures

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # A thread that spins while it waits takes the processor from whoever else would use it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (failures.Fail, failures.InvalidProtobuf, failures.InvalidGraph, failures.RuntimeException):
        return None


def _write_graph(folder: Path, path: Path) -> None:
    if not minilm_graph.is_genuine(folder):
        raise PartMissing(f"The weights in {folder} are damaged: run `make clean setup`.")
    data = minilm_graph.assemble(folder).SerializeToString()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as partial:
            partial.write(data)
        Path(partial.name).replace(path)
    except OSError as error:
        raise StoreFailed(
            f"The embedding model cannot be written to {path.parent}: {error.strerror}."
        ) from error
