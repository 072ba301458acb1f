"""Two opinions become one order."""

import numpy as np

from stores.lexical import Lexical
from stores.ranking import best, relevance


def test_the_best_come_first_and_equals_keep_their_order():
    assert best(np.array([0.1, 0.9, 0.5, 0.9], np.float32), 3) == [1, 3, 2]
    assert best(np.array([0.1], np.float32), 5) == [0]


def test_relevance_lies_between_0_and_1_and_asks_both():
    cosines = np.array([0.8, 0.7, 0.1], np.float32)
    lexical = np.array([0.0, 9.0, 9.0], np.float32)
    fused = relevance(cosines, lexical, "english")
    assert best(fused, 3) == [1, 2, 0]
    assert fused.min() >= 0
    assert fused.max() <= 1


def test_words_weigh_more_outside_english():
    cosines, lexical = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    assert relevance(cosines, lexical, "spanish")[0] < relevance(cosines, lexical, "english")[0]


def test_equal_scores_are_no_division_by_zero():
    same = np.array([0.5, 0.5], np.float32)
    assert np.isfinite(relevance(same, same, "english")).all()


def test_bm25_survives_the_disk_and_unknown_words(tmp_path):
    lexical = Lexical.build(["the pump hums", "la bomba zumba", ""], ["english", "spanish", "english"])
    lexical.save(tmp_path)
    again = Lexical.load(tmp_path, ["english", "spanish"])
    for question in ("pump", "¿y la bomba?", "zebra"):
        assert np.array_equal(lexical.scores(question), again.scores(question))
    assert best(again.scores("pumps"), 1) == [0]
    assert not again.scores("zebra").any()


def test_a_corpus_without_a_word_can_be_asked():
    assert not Lexical.build(["—", "…"], ["english", "english"]).scores("pump").any()
