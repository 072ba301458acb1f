"""Questions that lean on the one before are looked up with it; others stand alone."""

from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage

import settings
from benchmarks import followups
from graphs.followup import leans, standalone
from parts import Parts
from stores.language import content_words, detect

ROOT = Path(__file__).resolve().parents[2]
PAIRS = followups.pairs()
SWITCHES = [
    ("How often must the filter of the Aurora 300 be cleaned?", "When does the night train leave Portavela?"),
    ("When does the night train leave Portavela?", "¿Cuánto es la cuota del huerto?"),
    ("¿Cuánto es la cuota del huerto?", "How long is the warranty of the Aurora 300 pump?"),
    ("What does a dog cost on the Lanterna?", "How do I prime the pump before the first start?"),
    ("Can I bring skis?", "¿Qué se puede echar al compost?"),
]


def words(text):
    return content_words(text, detect(text))


def said(*texts):
    return [kind(text) for kind, text in zip([HumanMessage, AIMessage] * 3, texts, strict=False)]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["then"])
def test_a_follow_up_is_seen_as_one(pair):
    assert leans(pair["then"], words)
    assert not leans(pair["before"], words)


@pytest.mark.parametrize(("before", "then"), SWITCHES)
def test_a_change_of_subject_stands_alone(before, then):
    assert standalone(then, said(before, "An answer."), words) == then


def test_a_follow_up_of_a_follow_up_reaches_back_to_the_subject():
    history = said("What is the Aurora 300 pump?", "A pump.", "and its warranty?", "36 months.")
    assert (
        standalone("since when?", history, words)
        == "What is the Aurora 300 pump? and its warranty? since when?"
    )


def test_without_a_history_the_question_is_itself():
    assert standalone("and its warranty?", [], words) == "and its warranty?"


@pytest.fixture(scope="module")
def parts(tmp_path_factory, model_cache, embedder):
    data = tmp_path_factory.mktemp("data")
    (data / "models").symlink_to(model_cache)
    with Parts(settings.load(documents_dir=ROOT / "mis_documentos", data_dir=data)) as parts:
        yield parts


def test_ten_follow_ups_find_their_passage_and_need_the_question_before(parts):
    rows = followups.measure(parts)
    assert [row["then"] for row in rows if not row["together"]] == []
    assert sum(row["alone"] for row in rows) <= 3


def test_changes_of_subject_find_the_same_as_without_a_history(parts):
    for before, then in SWITCHES:
        history = [("human", before), ("ai", "An answer.")]
        assert parts.recall(then, history)["passages"] == parts.recall(then)["passages"]
