"""The Qdrant engine in this process (Qdrant Edge)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from errors import NothingYet, StoreFailed
from stores.collection import INDEXED, Point, Scored
from stores.conversations.qdrant import GRAPH, MOST_VALUES, NOTHING, PAGE, WINDOWS, WORDS, Qdrant, plain
from stores.durable import PARTIAL, replace

FULL_SCAN_KB = 10_000  # as the engine has it: fewer vectors than these are compared one by one
FACTS = "facts.json"  # written last of all: without it there is no collection


class Embedded(Qdrant):
    """A collection in one folder, which one process at a time can open."""

    def __init__(self, home: Path) -> None:
        self._models = edge
        self._home, self._facts = home, home / FACTS
        home.mkdir(parents=True, exist_ok=True)
        for leftover in home.glob(f"{PARTIAL}*"):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        self._open: edge.EdgeShard | None = None
        self._damage: StoreFailed | None = None
        try:
            self._open = self._load() if self._facts.is_file() else None
        except StoreFailed as damage:  # told to whoever uses it; `create` makes it anew all the same
            self._damage = damage

    def close(self) -> None:
        """Write what is pending and let another process open the folder."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def facts(self) -> dict[str, Any] | None:
        """What the collection was made with."""
        if self._damage is not None:
            raise self._damage
        return None if self._open is None else dict(self._made()["facts"])

    def create(self, facts: dict[str, Any], dimension: int, anew: bool = True) -> None:
        """Make it; there is none until the facts are written, last of all."""
        if self._open is not None and not anew:
            return
        self.close()
        self._damage = None
        self._facts.unlink(missing_ok=True)
        shutil.rmtree(self._home / "shard", ignore_errors=True)
        partial = self._home / f"{PARTIAL}shard"
        partial.mkdir()
        shard = edge.EdgeShard.create(str(partial), _config(dimension))
        for field in INDEXED:
            keyword = edge.PayloadSchemaType.Keyword
            shard.update(edge.UpdateOperation.create_field_index(f"metadata.{field}", keyword))
        shard.close()
        partial.rename(self._home / "shard")
        replace(self._facts, json.dumps({"dimension": dimension, "facts": facts}))
        self._open = self._load()

    def upsert(self, points: list[Point]) -> None:
        """Write points, and flush them to the disk."""
        made = [
            edge.Point(
                point["id"],
                {WINDOWS: point["windows"], WORDS: edge.SparseVector(**point["words"])},
                dict(point["payload"]),
            )
            for point in points
        ]
        self._update(edge.UpdateOperation.upsert_points(made))

    def relabel(self, point: str, metadata: dict[str, Any]) -> None:
        """Set fields of a point's metadata."""
        self._update(edge.UpdateOperation.set_payload([point], metadata, "metadata"))

    def delete(self, points: list[str]) -> None:
        """Remove points."""
        self._update(edge.UpdateOperation.delete_points(list(points)))

    def fetch(self, points: list[str], with_windows: bool) -> list[Point]:
        """By id."""
        return [plain(found) for found in self._shard.retrieve(list(points), True, [WINDOWS] * with_windows)]

    def count(self) -> int:
        """All of them."""
        return self._shard.count(edge.CountRequest())

    def values(self, field: str) -> dict[str, int]:
        """From the index of the field."""
        found = self._shard.facet(edge.FacetRequest(f"metadata.{field}", MOST_VALUES, exact=True))
        return {str(hit.value): hit.count for hit in found.hits}

    def settle(self) -> None:
        """Build the HNSW graph over what is not in it yet; a small collection needs none."""
        self._shard.optimize()
        self._shard.flush()

    def purge(self) -> None:
        """Write every segment anew that holds something deleted."""
        eager = edge.EdgeOptimizersConfig(deleted_threshold=1e-9, vacuum_min_vector_number=1)
        for optimizers in (eager, edge.EdgeOptimizersConfig()):
            self.close()
            self._open = self._load(_config(self._made()["dimension"], optimizers))
            if optimizers is eager:
                self.settle()

    def _made(self) -> dict[str, Any]:
        return dict(json.loads(self._facts.read_text(encoding="utf-8")))

    @property
    def _shard(self) -> edge.EdgeShard:
        if self._open is None:
            raise self._damage or NothingYet(NOTHING)
        return self._open

    def _load(self, config: edge.EdgeConfig | None = None) -> edge.EdgeShard:
        try:
            # A graph of other parameters is built anew by the next `settle`.
            config = config or _config(self._made()["dimension"])
            return edge.EdgeShard.load(str(self._home / "shard"), config)
        except Exception as error:  # the engine raises nothing narrower
            raise StoreFailed(
                f"The conversations in {self._home} cannot be opened ({error}): "
                "`make ingest-clear` makes them anew from the logs."
            ) from error

    def _update(self, operation: edge.UpdateOperation) -> None:
        shard = self._shard
        try:
            shard.update(operation)
            shard.flush()
        except Exception as error:  # as above
            raise StoreFailed(f"The conversations in {self._home} cannot be written: {error}.") from error

    def _query(self, query: Any, using: str, limit: int, within: Any, params: Any = None) -> Scored:
        near = edge.Query.Nearest(query, using=using)
        request = edge.QueryRequest(limit, query=near, filter=within, with_payload=False, params=params)
        return [(str(hit.id), hit.score) for hit in self._shard.query(request)]

    def _page(self, offset: Any, within: Any) -> tuple[list[Any], Any]:
        page, after = self._shard.scroll(edge.ScrollRequest(offset, PAGE, within, with_payload=False))
        return list(page), after


def _config(dimension: int, optimizers: edge.EdgeOptimizersConfig | None = None) -> edge.EdgeConfig:
    best_window = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
    dense = edge.EdgeVectorParams(
        dimension,
        edge.Distance.Cosine,
        multivector_config=best_window,
        hnsw_config=edge.HnswIndexConfig(GRAPH["m"], GRAPH["ef_construct"], FULL_SCAN_KB),
        quantization_config=edge.ScalarQuantizationConfig(edge.ScalarType.Int8),
    )
    sparse = edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
    return edge.EdgeConfig(
        {WINDOWS: dense},
        {WORDS: sparse},
        optimizers=optimizers,
        # Each question reads the texts of other turns: cold ones would be fetched from the disk.
        payload_memory=edge.Memory.Cached,
        # It would keep what was forgotten. Each change is flushed instead.
        wal_enabled=False,
    )
