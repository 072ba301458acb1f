"""That the confidence is measured as it is told, over a few invented articles; the numbers are not judged."""

import math
import random

import pytest
from langchain_core.documents import Document

import settings
from benchmarks.confidence import calibration, fitted, rows
from benchmarks.questions import Asked, QuestionSet
from benchmarks.tried import GOOD, OFF_TOPIC, REMOVED, Tried, tried
from terminal.progress import Bar

ARTICLES = {
    "Trains": "The night train to Portavela leaves at eight and carries two sleeping cars and a kitchen.",
    "Apples": "Late apples are picked in October and keep until March when they lie on straw in a cool room.",
}
ASKED = (
    Asked("When does the night train to Portavela leave?", "Trains", ((37, 45),)),
    Asked("When are late apples picked?", "Apples", ((26, 33),)),
)
SET = QuestionSet("invented", ARTICLES, ASKED, {name: name for name in ARTICLES})


def one(kind, topic, score, confidence, **facts):
    told = {"score": score, "confidence": confidence, "nearness": score, "cover": 0.0} | facts
    return Tried(kind, topic, [Document("x", metadata=told)])


def test_each_question_is_asked_with_its_article_and_without(home):
    with Bar() as bar:
        found = tried(SET, ["Who baked the cake?"], settings.load(), bar)
    assert [(one.kind, one.topic) for one in found] == [
        (OFF_TOPIC, ""), (GOOD, "Apples"), (REMOVED, "Apples"), (GOOD, "Trains"), (REMOVED, "Trains"),
    ]  # fmt: skip
    assert [len(one.found) for one in found] == [2, 2, 1, 2, 1]
    assert found[1].found[0].metadata["file"] == "Apples"
    assert found[2].found[0].metadata["file"] == "Trains"
    assert found[1].sure > 0.5 > found[2].sure


def test_what_is_lost_and_refused_is_counted_with_the_settings():
    found = [
        *(one(GOOD, "a", 0.5, 0.9) for _ in range(9)), one(GOOD, "a", 0.5, 0.05),
        one(REMOVED, "a", 0.5, 0.09), one(REMOVED, "a", 0.2, 0.9), one(OFF_TOPIC, "", 0.31, 0.5),
    ]  # fmt: skip
    counted = {row["method"]: row for row in rows(found, settings.load())}
    assert counted["cosine 0.3"] == {"method": "cosine 0.3", "lost": 0, REMOVED: 50, OFF_TOPIC: 0}
    assert counted["ours"] == {"method": "ours", "lost": 10, REMOVED: 100, OFF_TOPIC: 0}
    assert rows(found[:12], settings.load())[0][OFF_TOPIC] is None


def test_the_fit_finds_the_odds_that_made_the_answers():
    chance = random.Random(3)
    found = []
    for number in range(6000):
        nearness, cover = chance.uniform(0, 1), chance.uniform(0, 1)
        likely = 1 / (1 + math.exp(-(8 * nearness + 4 * cover - 6)))
        kind = GOOD if chance.random() < likely else REMOVED
        found.append(one(kind, str(number % 10), nearness, 0.5, nearness=nearness, cover=cover))
    odds, said = fitted(found)
    assert odds.nearness == pytest.approx(8, abs=0.6)
    assert odds.cover == pytest.approx(4, abs=0.6)
    assert len(said) == len(found)
    for row in calibration(said):
        assert row["said"] == pytest.approx(row["answered"], abs=0.08)
