"""Of many turns, the engine's graph finds nearly all that are nearest, and tells their exact cosines."""

import json
from uuid import UUID

import numpy as np
import pytest
import qdrant_edge as edge

from stores.conversations.embedded import FACTS, Embedded
from stores.conversations.qdrant import WINDOWS, WORDS

# Enough windows that the engine builds a graph, and so few degrees of freedom that some are near.
TURNS, DIMENSION, FREEDOM, QUESTIONS = 6000, 384, 48, 100


def unit(dice, shape, count):
    vectors = dice.normal(size=(count, FREEDOM)) @ shape
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def point(number, windows):
    payload = {"page_content": "", "metadata": {}}
    words = {"indices": [], "values": []}
    return {"id": str(UUID(int=number)), "windows": windows.tolist(), "words": words, "payload": payload}


def older(home, points):
    """A collection as it was made before, with the graph that the engine makes when it is told nothing."""
    best_window = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
    dense = edge.EdgeVectorParams(DIMENSION, edge.Distance.Cosine, multivector_config=best_window)
    sparse = edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)
    config = edge.EdgeConfig({WINDOWS: dense}, {WORDS: sparse}, wal_enabled=False)
    (home / "shard").mkdir()
    shard = edge.EdgeShard.create(str(home / "shard"), config)
    made = [edge.Point(one["id"], {WINDOWS: one["windows"]}, one["payload"]) for one in points]
    shard.update(edge.UpdateOperation.upsert_points(made))
    shard.optimize()
    shard.close()
    (home / FACTS).write_text(json.dumps({"dimension": DIMENSION, "facts": {}}))


@pytest.mark.parametrize("was", ["new", "older"])
def test_the_graph_misses_hardly_any_of_the_nearest(tmp_path, was):
    dice = np.random.default_rng(0)
    shape = dice.normal(size=(FREEDOM, DIMENSION))
    windows, asked = unit(dice, shape, 2 * TURNS), unit(dice, shape, QUESTIONS)
    points = [point(number, windows[2 * number : 2 * number + 2]) for number in range(TURNS)]
    if was == "older":
        older(tmp_path, points)
    made = Embedded(tmp_path)
    if was == "new":
        made.create({}, DIMENSION)
        made.upsert(points)
    made.settle()
    missed = 0
    for vector in asked:
        cosines = (windows @ vector).reshape(TURNS, 2).max(axis=1)
        found = {UUID(one).int: score for one, score in made.nearest(vector.tolist(), 100, {})}
        missed += sum(number not in found for number in np.argsort(-cosines)[:10].tolist())
        assert all(score == pytest.approx(cosines[number], abs=1e-5) for number, score in found.items())
    assert missed < 0.006 * 10 * QUESTIONS
    made.close()
