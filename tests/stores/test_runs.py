"""Rows find their owners again."""

import numpy as np

from stores.runs import Runs


def test_the_rows_of_owners_come_run_after_run():
    rows, begins = Runs([2, 1, 3]).rows(np.array([2, 0]))
    assert rows.tolist() == [3, 4, 5, 0, 1]
    assert begins.tolist() == [0, 3]


def test_the_best_row_of_an_owner_counts():
    scores = np.array([0.1, 0.9, 0.5, 0.2, 0.8, 0.3], np.float32)
    assert Runs([2, 1, 3]).best(np.array([0, 1, 2]), lambda rows: scores[rows]).tolist() == [
        scores[1],
        scores[2],
        scores[4],
    ]
