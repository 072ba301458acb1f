"""What each part of the search over documents is worth: all of it, and all of it without one.

python -m benchmarks.ablation --data DIR [--json]

DIR holds `squad2_dev/` and `xquad/` (see `benchmarks.documents`). A cell is hit@1 / hit@3 in per cent. `ms`
is what a question costs beyond its embedding, at the median over SQuAD 2.0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any

import typer

import settings
from benchmarks import baselines, documents, machine, questions
from benchmarks.remembered import Remembered
from stores.corpus import Corpus
from stores.documents import Documents
from stores.embeddings import Embedder, load_embedder
from stores.language import content_words, detect
from stores.lexical import Asked, Lexical
from stores.near import Near
from stores.ranking import Weights
from terminal import show
from terminal.progress import Bar

ONE_WEIGHT = 0.4


class OwnWords(Lexical):
    """Each word means itself alone."""

    @cached_property
    def _near(self) -> Near:
        return Near([])


class EveryWord(Lexical):
    """The words that ask neither tell the language nor are left out."""

    def read(self, question: str) -> Asked:
        """A question without knowing what asks in it."""
        own = detect(question)
        words = dict.fromkeys(content_words(question, own))
        return Asked(own, [self._meanings(word, own) for word in words])


def variants(corpus: Corpus, embedder: Embedder) -> dict[str, baselines.Search]:
    """The search, and the search without each of its parts."""
    lexical = corpus.lexical()

    def weighing(**weights: float) -> baselines.Search:
        return Documents(embedder, corpus, lexical, Weights(**weights)).find

    def reading(build: Callable[..., Lexical]) -> baselines.Search:
        return Documents(embedder, corpus, corpus.lexical(build)).find

    return {
        "all of it": weighing(),
        "without the pieces' cosine": weighing(piece=0),
        "without the windows' cosine": weighing(piece=1),
        "without cover": weighing(cover=0),
        "without near words": reading(OwnWords.build),
        "without asking words": reading(EveryWord.build),
        "without delta": reading(partial(Lexical.build, delta=0)),
        "one weight for all languages": weighing(english=ONE_WEIGHT, other=ONE_WEIGHT),
        "cosines alone": weighing(english=1, other=1),
        "words alone": weighing(english=0, other=0),
    }


def measure(data: Path, chosen: settings.Settings) -> list[dict[str, Any]]:
    """A row a variant, with hit@1, hit@3 and milliseconds of each set."""
    rows: dict[str, dict[str, Any]] = {}
    embedder = Remembered(load_embedder(chosen.embedding_model, chosen.data_dir / "models", chosen.threads))
    with Bar() as bar:
        for asked in _sets(data):
            corpus = documents.corpus_of(asked, embedder, chosen, bar)
            for one in asked.asked:
                embedder.query(one.question)
            for name, search in variants(corpus, embedder).items():
                row = documents.row(name, search, asked, bar)
                told = {"hit@1": row["hit@1"], "hit@3": row["hit@3"], "ms": row["ms"]}
                rows.setdefault(name, {"variant": name})[asked.name] = told
    return list(rows.values())


def _sets(data: Path) -> list[questions.QuestionSet]:
    english, spanish = data / "xquad" / "en.json", data / "xquad" / "es.json"
    sets = [(data / "squad2_dev", None), (english, None), (spanish, None), (english, spanish)]
    return [questions.load(where, asked) for where, asked in sets]


def main(
    data: Annotated[Path, typer.Option(help="The folder with squad2_dev/ and xquad/.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure what each part of the search is worth."""
    rows = measure(data, settings.load())
    if json:
        show.as_json({"set": "documents", "machine": machine.described(), "rows": rows})
        return
    show.rows([_flat(row) for row in rows], "hit@1 / hit@3, per cent")


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    sets = {name: cell for name, cell in row.items() if name != "variant"}
    cells = {name: f"{cell['hit@1']} / {cell['hit@3']}" for name, cell in sets.items()}
    return {"variant": row["variant"], **cells, "ms": next(iter(sets.values()))["ms"]}


if __name__ == "__main__":
    typer.run(main)
