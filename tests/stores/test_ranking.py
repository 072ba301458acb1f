"""Two opinions become one order."""

import numpy as np

from stores.ranking import Evidence, Weights, best, relevance, weighed

EACH = ("window", "piece", "words", "cover")


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


def test_what_speaks_for_a_passage_is_weighed_and_lies_between_0_and_1():
    nothing, all_of_it = np.array([0.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    for name in ("window", "piece", "words", "cover"):
        evidence = Evidence(**{each: all_of_it if each == name else nothing for each in EACH})
        fused = weighed(evidence, "english", Weights())
        assert 0 <= fused[0] < fused[1] <= 1
    assert weighed(Evidence(*[all_of_it] * 4), "english", Weights()).tolist() == [0, 1]


def test_what_has_no_weight_is_not_asked():
    one, other = np.array([0.0, 1.0], np.float32), np.array([1.0, 0.0], np.float32)
    evidence = Evidence(window=one, piece=other, words=one, cover=other)
    assert weighed(evidence, "english", Weights(piece=0, cover=0)).tolist() == [0, 1]
    assert weighed(evidence, "english", Weights(piece=1, cover=1)).tolist() == [1, 0]
    assert weighed(evidence, "spanish", Weights(english=0, other=1, piece=0)).tolist() == [0, 1]
