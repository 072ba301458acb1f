"""Any other embedding model, through sentence-transformers; the genuine weights stand for it here."""

import pytest

from errors import BadInput
from stores import minilm_graph
from stores.sentence_model import SentenceModel

pytest.importorskip("sentence_transformers", reason="needs `make setup-train`")


@pytest.fixture(scope="module")
def other() -> SentenceModel:
    return SentenceModel(str(minilm_graph.bundled_folder()))


def test_it_gives_the_vectors_of_the_model(other, embedder):
    question = "How long is the warranty?"
    assert float(other.query(question) @ embedder.query(question)) > 0.99999


def test_a_long_text_is_read_to_its_end(other):
    words = "alpha " * 600 + "the pump must be primed before it is started, primed with water"
    vectors, counts = other.windows([words, "short"])
    assert counts[0] == len(vectors) - 1 > 1
    assert float((vectors @ other.query("priming the pump with water")).max()) > 0.3


def test_its_fingerprint_is_its_own(other, embedder):
    assert other.fingerprint()["model"] != embedder.fingerprint()["model"]
    assert other.fingerprint()["dimension"] == 384


def test_a_folder_that_holds_no_model_is_one_sentence(tmp_path):
    with pytest.raises(BadInput, match="cannot be loaded"):
        SentenceModel(str(tmp_path))
