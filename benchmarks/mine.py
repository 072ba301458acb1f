"""How well Recuerdo finds things in your own documents, with your settings, beside plain search and BM25.

python -m benchmarks.mine [--documents DIR] [--questions 100] [--with-model] [--new] [--json]

The questions are made of your passages (benchmarks/own_questions.py): by rule, or with --with-model by the
model that answers you, one a passage. Both are easier to find than what a person asks who has not just read
the passage: compare the methods and the runs with each other, not the figures with those of anybody else.
Those by rule have lower cosines than real questions: MIN_SCORE loses more of them than of yours.

The result is kept under DATA_DIR/benchmarks. The next run asks the same questions again, where what they were
made of still stands in a passage, and says what changed; --new makes new ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from langchain_core.documents import Document

import settings
from benchmarks import machine, own_answers, own_runs
from benchmarks.own_questions import Question, Vocabulary, by_model, drawn, flat, of_words
from errors import BadInput, ModelFailed
from parts import Parts
from stores.corpus import Corpus
from stores.lexical import Lexical
from terminal import command_line, mining, show
from terminal.options import Json
from terminal.progress import Bar

TRIED = 3  # passages that a model may be shown for each question that it is to write
TOLD = (
    "chunk_size",
    "chunk_overlap",
    "documents_top_k",
    "min_score",
    "min_confidence",
    "embedding_model",
    "threads",
)
cli = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


class Mine:
    """A folder, its passages, and the run that was kept."""

    def __init__(self, parts: Parts, *, model: bool) -> None:
        self.parts, self._model = parts, model
        self.name = parts.settings.documents_dir.resolve().name
        self.kind = "model" if model else "words"
        self.file = parts.settings.data_dir / "benchmarks" / f"{parts.index.versions.root.name}.json"
        self.before = own_runs.last(self.file, self.kind)
        self.corpus, self.lexical = _opened(parts)
        self.vocabulary = Vocabulary(self.corpus.passages)
        self.dropped: Counter[str] = Counter()

    def kept(self) -> list[Question]:
        """The questions of the run before whose sentences still stand in a passage."""
        told = [flat(passage.page_content) for passage in self.vocabulary.passages]
        asked = [one.question for one in self.before["outcomes"]] if self.before else []
        return [question for question in asked if any(map(question.answered_by, told))]

    def made(self, count: int, taken: Sequence[Question], seed: int) -> Iterator[Question]:
        """So many new questions, or fewer, about sentences that none was made of."""
        sentences = drawn(self.vocabulary, seed, {one for question in taken for one in question.said})
        if self._model:
            tried = islice(sentences, TRIED * count)
            written = (by_model(self._written, sentence, self.dropped) for sentence in tried)
            return islice(filter(None, written), count)
        return islice((of_words(self.vocabulary, sentence, seed) for sentence in sentences), count)

    def _written(self, passage: Document) -> str:
        from graphs import prompts

        _ = self.parts.tracers  # silences LangChain's own tracing, which an environment may have set
        with self.parts.blaming():
            return str(self.parts.chat_model.invoke(prompts.asking(passage)).text)

    def run(self, questions: Sequence[Question], seed: int, bar: Bar) -> own_runs.Run:
        """Everything that is measured, with what it belongs to."""
        asking = own_answers.Asking(self.parts, self.corpus, self.lexical)
        outcomes = asking.outcomes(questions, bar)
        chosen = self.parts.settings
        return {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "seed": seed,
            "settings": {name: getattr(chosen, name) for name in TOLD},
            "folder": {"files": len(self.parts.listing.sources), "passages": len(self.corpus.passages)},
            "machine": machine.described(),
            "rows": own_answers.rows(outcomes),
            "by_language": own_answers.by_language(outcomes),
            "delivered": own_answers.percent(sum(one.delivered for one in outcomes), len(outcomes)),
            "filter": own_answers.lost_to_filter(outcomes, chosen.documents_top_k),
            "never_found": own_answers.never_found(outcomes),
            "steps": own_answers.steps(outcomes),
            "slowest": own_answers.slowest(outcomes),
            "indexing": own_answers.indexing(self.parts),
            "dropped": dict(self.dropped),
            "outcomes": outcomes,
        }


def _opened(parts: Parts) -> tuple[Corpus, Lexical]:
    """The passages of the index, brought up to date.

    Raises:
        BadInput: there are none.
    """
    count, version = len(parts.documents), parts.index.versions.newest()
    if version is None or not count:
        raise BadInput(
            f"{parts.settings.documents_dir} holds no text to ask about: put PDF and TXT files in it, or "
            "name another folder with --documents."
        )
    corpus = Corpus.load(version.folder, version.facts["embedding"]["dimension"])
    return corpus, Lexical.load(version.folder / "lexical", corpus.languages())


def measure(mine: Mine, count: int, bar: Bar, *, new: bool = False) -> own_runs.Run:
    """A run over so many questions, kept, with what it differs in from the one before."""
    before = mine.before
    seed = before["seed"] + new if before else 0
    again = [] if new else mine.kept()
    questions = again[:count]
    for question in mine.made(count - len(questions), questions, seed):
        questions.append(question)
        bar("making questions", len(questions), count)
    if not questions:
        raise _nothing(mine)
    run = mine.run(questions, seed, bar)
    own_runs.keep(mine.file, mine.kind, run)
    if before is None:
        return run | {"compared": None}
    gone = 0 if new else len(before["outcomes"]) - len(again)
    return run | {"compared": own_runs.compared(before, run) | {"gone": gone}}


def _nothing(mine: Mine) -> BadInput | ModelFailed:
    """Why there is no question."""
    if mine.dropped:
        told = ", ".join(f"{count} {why}" for why, count in mine.dropped.items())
        return ModelFailed(
            f"The model wrote no question that can be asked ({told}): name another, LLM_MODEL=…."
        )
    return BadInput(
        f"Nothing in {mine.parts.settings.documents_dir} makes a question: it takes sentences with "
        "five words that say something, some of them rare."
    )


@cli.command()
def main(
    documents: Annotated[Path | None, typer.Option(help="The folder of PDF and TXT files.")] = None,
    questions: Annotated[int, typer.Option(min=1, help="How many questions.")] = 100,
    with_model: Annotated[bool, typer.Option("--with-model", help="Let the model write them.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Make new questions.")] = False,
    json: Json = False,
) -> None:
    """Measure how well your own documents are found."""
    with Parts(settings.load(documents_dir=documents, langsmith_tracing=False)) as parts, Bar() as bar:
        mine = Mine(parts, model=with_model)
        run = measure(mine, questions, bar, new=new)
        if parts.notice:
            show.note(parts.notice)
    told = {"set": mine.name, "kind": mine.kind, "file": str(mine.file)}
    facts = told | {name: value for name, value in run.items() if name != "outcomes"}
    show.as_json(facts) if json else mining.mined(facts)


if __name__ == "__main__":
    command_line.run(cli, "benchmarks.mine")
