"""How well a person's own documents are found, for that person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from terminal.show import console, note, printable, rows

EXAMPLES, QUOTE = 3, 100
EASIER = {
    "words": "These questions are made of the passages' own words: easier to find than what a person asks, "
    "above all for BM25, and of lower cosine, so that the minimum loses more. Compare methods and runs.",
    "model": "These questions were written with the passage in view: easier to find than what a person asks. "
    "Compare methods and runs.",
}


def mined(facts: Mapping[str, Any]) -> None:
    """The tables, what the minimum lost, what is slow, and what changed since the run before."""
    folder = facts["folder"]
    asked = facts["rows"][0]["questions"]
    rows(facts["rows"], f"{facts['set']}: {asked} questions about {folder['passages']} passages")
    for language, some in facts["by_language"].items():
        rows(some, language)
    _delivered(facts)
    _missing(facts)
    _slow(facts)
    if facts["compared"]:
        _compared(facts["compared"])
    note(EASIER[facts["kind"]])
    note(f"Kept in {facts['file']}: the next run asks the same questions, --new makes others.")


def _delivered(facts: Mapping[str, Any]) -> None:
    say, chosen, lost = console().print, facts["settings"], facts["filter"]
    say(
        f"Delivered with your settings (the first {chosen['documents_top_k']} that reach "
        f"{chosen['min_score']:.2f}, where the confidence reaches {chosen['min_confidence']:.2f}): "
        f"{facts['delivered']} %. Left out: {lost['lost']} right passages, {lost['share']} %."
    )
    for one in lost["worst"]:
        say(escape(f"  {one['score']:.2f}  {printable(one['file'])}  {_quoted(one['question'])}"))


def _missing(facts: Mapping[str, Any]) -> None:
    say = console().print
    if facts["never_found"]:
        told = (f"{printable(one['file'])} ({one['questions']} asked)" for one in facts["never_found"])
        say(escape(f"Never among the first five: {', '.join(told)}."))
    if facts["dropped"]:
        told = (f"{count} {why}" for why, count in facts["dropped"].items())
        say(escape(f"Answers of the model that were no question to ask: {', '.join(told)}."))


def _slow(facts: Mapping[str, Any]) -> None:
    say, steps, indexing = console().print, facts["steps"], facts["indexing"]
    parts = ", ".join(f"{name} {steps[name]}" for name in ("embedding", "dense", "lexical", "rest"))
    say(f"A question takes {steps['whole']} ms at the median: {parts}. The slowest:")
    for one in facts["slowest"]:
        say(escape(f"  {one['ms']} ms  {_quoted(one['question'])}"))
    if indexing["passages"]:
        say(
            f"Indexing takes {indexing['reading_ms']} ms a passage for reading and "
            f"{indexing['embedding_ms']} ms for embedding ({indexing['passages']} passages; without writing)."
        )


def _compared(told: Mapping[str, Any]) -> None:
    say = console().print
    if not told["questions"]:
        say(f"No question of {told['with']} was asked again.")
        return
    rows(told["rows"], f"The same {told['questions']} questions, {told['with']} and now")
    for one in told["changed"]:
        say(escape(f"{one['name'].upper()}: {one['then']} → {one['now']}"))
    won, lost = told["won"], told["lost"]
    say(
        f"Of {told['questions']} questions {len(won)} were won and {len(lost)} lost: their passage is "
        "delivered now, or no longer. "
        f"Where only chance decides, so uneven a difference has probability {told['chance']}."
    )
    if told["gone"]:
        say(f"{told['gone']} questions are left out: what they were made of stands in no passage now.")
    _examples("won", won)
    _examples("lost", lost)


def _examples(what: str, questions: Sequence[str]) -> None:
    for question in questions[:EXAMPLES]:
        console().print(escape(f"  {what}: {_quoted(question)}"))


def _quoted(question: str) -> str:
    return f"“{question if len(question) <= QUOTE else question[:QUOTE] + ' …'}”"
