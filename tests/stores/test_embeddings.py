"""The embedding model gives the reference's vectors, and reads every token."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from errors import PartMissing, StoreFailed
from stores import minilm_graph
from stores.embeddings import DEFAULT_MODEL, load_embedder, same_model
from stores.minilm import WINDOW
from stores.windows import OVERLAP, spread

# Made with sentence-transformers 6.2.0 and torch 2.13.0 from the same weights.
REFERENCE = json.loads((Path(__file__).parent / "reference_vectors.json").read_text())
SHORT = [row for row in REFERENCE if len(row["text"]) < 1000]


@pytest.mark.parametrize("row", SHORT, ids=lambda row: row["text"][:20])
def test_a_text_gets_the_vector_of_the_reference(embedder, row):
    assert float(embedder.query(row["text"]) @ np.array(row["vector"])) > 0.999999


def test_a_text_cut_off_after_256_tokens_is_the_reference_of_a_long_one(embedder):
    (long,) = [row for row in REFERENCE if len(row["text"]) >= 1000]
    assert float(embedder.truncated([long["text"]])[0] @ np.array(long["vector"])) > 0.999999


def test_the_live_reference_agrees_where_it_is_installed(embedder):
    reference = pytest.importorskip("sentence_transformers", reason="needs `make setup-train`")
    model = reference.SentenceTransformer(str(minilm_graph.bundled_folder()), device="cpu")
    texts = [row["text"] for row in SHORT]
    for text, vector in zip(texts, model.encode(texts, normalize_embeddings=True), strict=True):
        assert float(embedder.query(text) @ vector) > 0.999999


def test_a_long_text_is_embedded_in_windows_that_hold_every_word(embedder):
    words = (
        " ".join(f"word{number}" for number in range(600)) + " the pump must be primed before it is started"
    )
    vectors, counts = embedder.windows([words, "short"])
    assert counts[1] == 1
    assert counts[0] == len(vectors) - 1 > 1
    question = embedder.query("priming the pump before starting")
    assert float((vectors @ question).max()) > float(embedder.truncated([words])[0] @ question) + 0.1


@pytest.mark.parametrize("length", [0, 1, WINDOW, WINDOW + 1, 1000, 5003])
def test_windows_leave_no_token_out_and_overlap(length):
    windows = list(spread(list(range(length)), WINDOW))
    assert all(len(window) <= WINDOW for window in windows)
    assert sorted({token for window in windows for token in window}) == list(range(length))
    for left, right in pairwise(windows):
        assert len(set(left) & set(right)) >= OVERLAP


def test_a_long_question_is_read_to_its_end(embedder):
    one = embedder.query("alpha " * 400)
    other = embedder.query("alpha " * 400 + "the price of bicycles in Denmark")
    assert float(one @ other) < 0.999
    assert float(np.linalg.norm(other)) == pytest.approx(1, abs=1e-5)


def test_fingerprints_tell_models_apart(embedder):
    own = embedder.fingerprint()
    turned = own | {"probe": [-value for value in own["probe"]]}
    assert same_model(own, json.loads(json.dumps(own)))
    assert not same_model(own, turned)
    assert not same_model(own, own | {"dimension": 768})


def test_a_damaged_graph_on_disk_is_made_anew(tmp_path):
    first = load_embedder(DEFAULT_MODEL, tmp_path, 1).query("pump")
    (graph,) = tmp_path.glob("*.onnx")
    data = bytearray(graph.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4_000_000] = bytes(4_000_000)
    graph.write_bytes(data)
    assert float(load_embedder(DEFAULT_MODEL, tmp_path, 1).query("pump") @ first) > 0.999999
    graph.write_bytes(b"not a graph")
    assert float(load_embedder(DEFAULT_MODEL, tmp_path, 1).query("pump") @ first) > 0.999999


def test_a_copy_of_the_genuine_weights_needs_no_torch(tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in minilm_graph.bundled_folder().iterdir():
        if file.is_file():
            (copy / file.name).symlink_to(file)
    assert load_embedder(str(copy), tmp_path / "cache", 1).query("pump").shape == (384,)


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailed, match="cannot be written"):
        load_embedder(DEFAULT_MODEL, tmp_path / "file", 1)


def test_another_model_names_what_it_needs_when_torch_is_missing(tmp_path):
    try:
        import sentence_transformers  # noqa: F401
    except ImportError:
        with pytest.raises(PartMissing, match="make setup-train"):
            load_embedder("intfloat/multilingual-e5-small", tmp_path, 1)
    else:
        pytest.skip("sentence-transformers is installed")
