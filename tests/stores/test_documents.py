"""The passages of a folder as a vector store: scores are cosines, and the right passage comes first."""

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore

from stores.corpus import Corpus, embed
from stores.documents import Documents

TEXTS = [
    "The Aurora 300 pump has a warranty of three years.",
    "Compost must be turned every month and kept moist.",
    "Part AX-7731 is the impeller seal.",
    "El huerto abre a las ocho de la mañana.",
]


def passages(texts=TEXTS):
    return [Document(text, metadata={"file": f"{number}.txt"}) for number, text in enumerate(texts)]


@pytest.fixture(scope="module")
def store(embedder) -> Documents:
    corpus = embed(passages(), embedder)
    return Documents(embedder, corpus, corpus.lexical())


def test_it_is_a_langchain_vector_store(store, embedder):
    assert isinstance(store, VectorStore)
    assert store.as_retriever(search_kwargs={"k": 1}).invoke("warranty")[0].page_content == TEXTS[0]
    texts = Documents.from_texts(["one pump", "two seals"], embedder, [{"n": 1}, {"n": 2}])
    assert texts.similarity_search("seal", k=1)[0].metadata["n"] == 2


@pytest.mark.parametrize("question", ["How long is the warranty?", "¿A qué hora abre el huerto?", "impeller"])
def test_the_score_is_the_cosine_of_question_and_passage(store, embedder, question):
    for document, score in store.similarity_search_with_score(question, k=4):
        cosine = float(embedder.query(question) @ embedder.query(document.page_content))
        assert score == pytest.approx(cosine, abs=2e-4)


def test_two_known_vectors_have_their_known_cosine(store, embedder):
    one, other = embedder.query("That is a happy person"), embedder.query("Today is a sunny day")
    assert float(one @ other) == pytest.approx(0.2569, abs=1e-4)


def test_a_part_number_is_found_by_its_letters(store):
    assert store.find("AX-7731", 1)[0].page_content == TEXTS[2]


def test_a_passage_longer_than_the_model_sees_is_found_by_its_end(embedder):
    long = (
        "The weather was mild and the harvest was good. " * 40 + "The safe code is kept by the notary. " * 12
    )
    corpus = embed(passages([long, *TEXTS]), embedder)
    assert corpus.windows[0] > 1
    store = Documents(embedder, corpus, corpus.lexical())
    (hit,) = store.find("who keeps the safe code?", 1)
    assert hit.page_content == long
    assert hit.metadata["score"] > 0.3


def test_a_sentence_that_answers_is_found_in_a_passage_about_other_things(embedder):
    about = "The library opens at nine and has a room for children, with chairs, puzzles and a small stage. "
    answer = "The fee for a lost card is four euros, to be paid at the desk before a new card can be made. "
    corpus = embed(passages([about * 4 + answer + about * 3, about * 8]), embedder)
    assert corpus.pieces[0] > 1
    store = Documents(embedder, corpus, corpus.lexical())
    (hit,) = store.find("What does losing my card cost?", 1)
    assert answer in hit.page_content
    assert hit.metadata["nearness"] > hit.metadata["score"]


def test_a_passage_tells_what_it_was_found_by(store):
    (hit,) = store.find("Which part is the impeller seal?", 1)
    assert hit.metadata.keys() >= {"score", "relevance", "nearness", "cover", "confidence"}
    assert hit.metadata["cover"] == pytest.approx(1, abs=1e-4)
    assert hit.metadata["nearness"] == pytest.approx(hit.metadata["score"], abs=0.002)
    (stranger,) = store.find("Which whale sings the longest?", 1)
    assert stranger.metadata["cover"] < 0.5


def test_a_text_that_repeats_is_embedded_once(embedder):
    seen = []
    embed(passages([TEXTS[0], TEXTS[0], TEXTS[1]]), embedder, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_copies_of_a_text_take_one_place(embedder):
    corpus = embed(passages([TEXTS[0]] * 5 + [TEXTS[1]]), embedder)
    store = Documents(embedder, corpus, corpus.lexical())
    assert len(store.find("pump warranty", 3)) == 2


def test_asking_does_not_change_the_passages(store):
    before = store.find("pump", 4)
    store.find("compost", 4)
    assert store.find("pump", 4) == before
    assert "score" not in store._corpus.passages[0].metadata


def test_an_empty_store_finds_nothing(embedder):
    corpus = embed([], embedder)
    empty = Documents(embedder, corpus, corpus.lexical())
    assert empty.find("anything", 3) == []


def same(one: Corpus, other: Corpus):
    assert (one.passages, one.windows, one.pieces) == (other.passages, other.windows, other.pieces)
    assert np.array_equal(one.vectors, other.vectors)
    assert np.array_equal(one.packed.levels, other.packed.levels)
    assert np.array_equal(one.packed.factors, other.packed.factors)


def test_a_corpus_survives_the_disk(embedder, tmp_path):
    corpus = embed(passages([*TEXTS, "line\u2028separator 😀 \udcff"]), embedder)
    corpus.save(tmp_path)
    again = Corpus.load(tmp_path, 384)
    same(again, corpus)


def test_a_corpus_cut_up_and_joined_is_the_same(embedder):
    sentences = " ".join(TEXTS * 3)
    corpus = embed(passages([sentences, *TEXTS[1:], "word " * 700]), embedder)
    assert (corpus.windows[0], corpus.windows[-1]) == (1, 4)
    assert corpus.pieces[0] > 1
    parts = corpus.cut([2, 0, 3])
    assert [len(part.passages) for part in parts] == [2, 0, 3]
    same(Corpus.joined(parts, 384), corpus)
