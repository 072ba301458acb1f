"""Question sets with the place of each answer: a folder like `squad2_dev`, or a file like `xquad/es.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from errors import BadInput


@dataclass(frozen=True)
class Asked:
    """A question, the text that answers it, and where in it any of its answers stands."""

    question: str
    text: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class QuestionSet:
    """Texts by their id, and what is asked of them."""

    name: str
    texts: dict[str, str]
    asked: tuple[Asked, ...]
    topics: dict[str, str]
    """Of each text the article that it is from."""


def load(data: Path, questions: Path | None = None) -> QuestionSet:
    """Read a set; `questions` is another file of the xquad format that asks the same in another language."""
    try:
        if data.is_dir():
            return _folder(data)
        given = json.loads(data.read_text(encoding="utf-8"))
        if questions is None:
            return _paragraphs(data.stem, given, given["questions"])
        other = json.loads(questions.read_text(encoding="utf-8"))["questions"]
        return _paragraphs(f"{questions.stem}-on-{data.stem}", given, other)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"{data} is neither a folder like squad2_dev nor a file like xquad/es.json."
        ) from error


def _folder(data: Path) -> QuestionSet:
    documents = json.loads((data / "documents.json").read_text(encoding="utf-8"))
    questions = json.loads((data / "questions.json").read_text(encoding="utf-8"))
    asked = tuple(
        Asked(row["question"], row["document"], _spans(row["answers"]))
        for row in questions
        if row["answerable"]
    )
    texts = {row["id"]: row["text"] for row in documents}
    return QuestionSet(data.name, texts, asked, {name: name for name in texts})


def _paragraphs(name: str, given: dict[str, Any], questions: list[dict[str, Any]]) -> QuestionSet:
    places = {row["id"]: _spans(row["answers"]) for row in given["questions"]}
    texts = {str(row["id"]): row["text"] for row in given["paragraphs"]}
    asked = tuple(Asked(row["question"], str(row["paragraph"]), places[row["id"]]) for row in questions)
    topics = {str(row["id"]): row.get("title", str(row["id"])) for row in given["paragraphs"]}
    return QuestionSet(name, texts, asked, topics)


def _spans(answers: list[dict[str, Any]]) -> tuple[tuple[int, int], ...]:
    return tuple((answer["start"], answer["start"] + len(answer["text"])) for answer in answers)
