"""That shortcuts are measured beside the exact way, over two invented texts; the numbers are not judged."""

import pytest

import settings
from benchmarks import shortcuts
from benchmarks.questions import Asked, QuestionSet
from terminal.progress import Bar

TEXTS = {
    "Trains": "The night train to Portavela leaves at eight and carries two sleeping cars and a kitchen.",
    "Apples": "Late apples are picked in October and keep until March when they lie on straw in a cool room.",
}
ASKED = (
    Asked("When does the night train leave?", "Trains", ((37, 45),)),
    Asked("When are late apples picked?", "Apples", ((26, 33),)),
)


@pytest.mark.slow
def test_batches_and_threads_change_nothing_and_int8_moves_every_vector(home):
    asked = QuestionSet("invented", TEXTS, ASKED, {name: name for name in TEXTS})
    with Bar() as bar:
        rows = {row["method"]: row for row in shortcuts.measure(asked, settings.load(), bar)}
    assert all(row["hit@3"] == 100 for row in rows.values())
    for exact in ("one at a time", "two threads", "32 at a time"):
        assert rows[exact]["worst"] == pytest.approx(1, abs=1e-5)
    assert 0.5 < rows["int8 per tensor"]["cosine"] < rows["int8 per channel"]["cosine"] < 0.9999
    assert 0.999 < rows["vectors kept as int8"]["worst"] < 1
