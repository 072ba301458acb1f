"""Folders of invented text for measurements, the same on every machine."""

from __future__ import annotations

import random
from pathlib import Path

WORDS = [
    "pump",
    "filter",
    "garden",
    "valve",
    "winter",
    "station",
    "ticket",
    "harvest",
    "motor",
    "pressure",
    "schedule",
    "warranty",
    "bicycle",
    "compost",
    "meeting",
    "platform",
    "water",
    "seal",
    "switch",
    "hour",
    "week",
    "level",
    "passenger",
    "journey",
    "repair",
]


def sentence(chance: random.Random) -> str:
    """One sentence of eight to twenty words."""
    words = chance.choices(WORDS, k=chance.randint(8, 20))
    return f"The {' '.join(words)} is number {chance.randint(1, 9999)}."


def write(folder: Path, files: int, sentences: int) -> None:
    """Write text files of so many sentences each; sixty sentences make some six passages."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(0)  # noqa: S311  # repeatable on purpose
    for number in range(files):
        text = "\n\n".join(" ".join(sentence(chance) for _ in range(6)) for _ in range(sentences // 6))
        (folder / f"text-{number:04}.txt").write_text(text, encoding="utf-8")
