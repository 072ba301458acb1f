"""That the measurements of documents run, here over a few; the numbers are not judged."""

import json

import pytest

import settings
from benchmarks import ablation, search


@pytest.fixture
def sets(tmp_path):
    """The sets that the ablation reads, with one invented text each."""
    text = "The night train leaves Portavela at eight. It arrives in Nordhaven in the morning."
    answer = {"text": "at eight", "start": text.index("at eight")}
    folder, files = tmp_path / "sets" / "squad2_dev", tmp_path / "sets" / "xquad"
    folder.mkdir(parents=True)
    files.mkdir()
    (folder / "documents.json").write_text(json.dumps([{"id": "train", "text": text}]))
    asked = {"question": "When does it leave?", "answers": [answer], "id": "1"}
    told = json.dumps([asked | {"document": "train", "answerable": True}])
    (folder / "questions.json").write_text(told)
    whole = {"paragraphs": [{"id": 1, "text": text}], "questions": [asked | {"paragraph": 1}]}
    for language in ("en", "es"):
        (files / f"{language}.json").write_text(json.dumps(whole))
    return tmp_path / "sets"


def test_the_ablation_names_every_variant_with_every_set(home, sets):
    rows = ablation.measure(sets, settings.load())
    assert rows[0]["variant"] == "all of it"
    assert len({row["variant"] for row in rows}) == len(rows) > 7
    for row in rows:
        assert row.keys() == {"variant", "squad2_dev", "en", "es", "es-on-en"}
        assert row["squad2_dev"]["hit@1"] == 100


def test_the_search_benchmark_tells_what_each_kind_of_question_costs(home, embedder):
    rows = search.measure(100, embedder)
    assert [row["question"] for row in rows] == ["known", "slip", "spanish"]
    assert all(row["ours_ms"] > 0 and 1 < row["size"] < 4 for row in rows)
