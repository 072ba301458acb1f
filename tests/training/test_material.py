"""What a run learns from: sessions stay on one side, and every row that is missing is counted."""

from collections import Counter

import pytest

from tests.training import vocabularies
from training import material
from training.dataset import Data
from training.recipe import load
from training.row import Row

pytest.importorskip("trl", reason="needs `make setup-train`")
SESSIONS, SHARE = 10, 0.3


def said(session, words="low tide"):
    messages = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": words}]
    return Row(messages, session=session)


def rows():
    return [said(f"s{number % SESSIONS}", f"at {number}") for number in range(4 * SESSIONS)]


def prepared(data, **changed):
    recipe = load("smoke").model_copy(update={"seed": 0, **changed})
    return material.prepared(recipe, data, vocabularies.renderer("smollm2"), lambda *_: None)


@pytest.mark.parametrize("seed", range(5))
def test_a_session_is_trained_on_or_held_back_and_never_both(seed):
    trained, held_back = material.split(rows(), SHARE, seed)
    sides = [{row.session for row in side} for side in (trained, held_back)]
    assert [len(side) for side in sides] == [SESSIONS * (1 - SHARE), SESSIONS * SHARE]
    assert not sides[0] & sides[1]
    assert len(trained) + len(held_back) == len(rows())


def test_what_is_held_back_is_not_trained_on():
    found = prepared(Data(rows()), held_back=SHARE)
    assert (len(found.samples), len(found.rows), len(found.held_back)) == (28, 28, 12)
    _, held_back = material.split(rows(), SHARE, 0)
    assert not {row.session for row in found.rows} & {row.session for row in held_back}


def test_every_row_that_is_missing_is_counted_by_its_reason():
    data = Data([said("short"), said("long", "tide " * 500)], Counter({"forgotten": 2}))
    found = prepared(data, max_tokens=64, held_back=0.0)
    assert len(found.samples) == 1
    assert found.facts()["dropped"] == dict(found.dropped)
    assert found.dropped.pop("forgotten") == 2
    assert found.dropped.total() == 1
