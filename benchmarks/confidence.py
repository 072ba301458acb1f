"""How well it is known when not to answer, and how far the confidence can be trusted.

python -m benchmarks.confidence --data DIR [--json]

DIR holds `squad2_dev/`, `xquad/` and `locomo/locomo_dev.json`. Each question is asked where its article is,
and where everything but its article is; LoCoMo's questions about people's lives are asked of articles too.
`lost` is the share of the questions with an answer that are refused; `removed` and `off topic` that of the
others, all in per cent. `cosine` refuses by the minimum score alone, `plain at 2 %` by the cosine that loses
2 % of the set's good questions; `ours` by the settings that are shipped, `ours at 2 %` by the confidence that
loses 2 %. The last tables fit the odds anew: on four of five articles at a time, how often was there an
answer where the fifth was given such a confidence?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import settings
from benchmarks import locomo, machine, questions
from benchmarks.tried import GOOD, OFF_TOPIC, REMOVED, Tried, tried
from graphs.nodes import score_filter
from graphs.recall import first
from graphs.state import Least
from stores.confidence import Odds
from terminal import show
from terminal.progress import Bar

LOST, FOLDS, ROUNDS = 0.02, 5, 30
STEPS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0)
Numbers = np.ndarray[Any, np.dtype[np.float64]]


def rows(found: Sequence[Tried], chosen: settings.Settings) -> list[dict[str, Any]]:
    """One row a method: what it loses and what it refuses, in per cent."""
    least = Least(chosen.min_score, chosen.min_confidence)
    shipped = score_filter(least, chosen.documents_top_k, first)
    refusals: dict[str, Callable[[Tried], bool]] = {
        f"cosine {chosen.min_score}": lambda one: one.nearest < chosen.min_score,
        "plain at 2 %": _below(found, lambda one: one.nearest),
        "ours": lambda one: not shipped({"candidates": one.found})["passages"],  # type: ignore[typeddict-item]
        "ours at 2 %": _below(found, lambda one: one.sure),
    }
    return [{"method": name, **_refused(found, refuses)} for name, refuses in refusals.items()]


def _below(found: Sequence[Tried], of: Callable[[Tried], float]) -> Callable[[Tried], bool]:
    least = float(np.quantile([of(one) for one in found if one.kind == GOOD], LOST))
    return lambda one: of(one) < least


def _refused(found: Sequence[Tried], refuses: Callable[[Tried], bool]) -> dict[str, float | None]:
    def share(kind: str) -> float | None:
        of = [refuses(one) for one in found if one.kind == kind]
        return round(100 * sum(of) / len(of), 1) if of else None

    return {"lost": share(GOOD), REMOVED: share(REMOVED), OFF_TOPIC: share(OFF_TOPIC)}


def calibration(given: Sequence[tuple[float, bool]]) -> list[dict[str, Any]]:
    """How often there was an answer, by what the confidence said; both kinds count the same altogether."""
    sure = np.array([one for one, _ in given])
    right = np.array([one for _, one in given])
    weight = np.where(right, 1 / max(right.sum(), 1), 1 / max((~right).sum(), 1))
    table = []
    for low, high in pairwise(STEPS):
        within = (sure >= low) & ((sure < high) | (high == STEPS[-1]))
        if within.any():
            said, was = (float(np.average(of[within], weights=weight[within])) for of in (sure, right))
            row = {"confidence": f"{low} to {high}", "questions": int(within.sum())}
            table.append(row | {"said": round(said, 2), "answered": round(was, 2)})
    return table


def fitted(found: Sequence[Tried]) -> tuple[Odds, list[tuple[float, bool]]]:
    """The odds that these questions ask for, and what those of the other articles say of each question."""
    some = [one for one in found if one.kind != OFF_TOPIC]
    facts = np.array([[one.best.metadata[name] for name in ("nearness", "cover")] + [1] for one in some])
    right = np.array([one.kind == GOOD for one in some])
    topics = sorted({one.topic for one in some})
    fold = np.array([topics.index(one.topic) % FOLDS for one in some])
    said = np.zeros(len(some))
    for left_out in range(FOLDS):
        rest = fold != left_out
        said[~rest] = _sigmoid(facts[~rest] @ _logistic(facts[rest], right[rest]))
    return Odds(*_logistic(facts, right)), list(zip(said.tolist(), right.tolist(), strict=True))


def _logistic(facts: Numbers, right: Any) -> Any:
    """Logistic regression by Newton's method, both kinds weighing the same altogether."""
    weight = np.where(right, 1 / right.sum(), 1 / (~right).sum()) * len(right)
    beta = np.zeros(facts.shape[1])
    for _ in range(ROUNDS):
        said = _sigmoid(facts @ beta)
        curve = (facts * (weight * said * (1 - said))[:, None]).T @ facts + 1e-3 * np.eye(len(beta))
        beta += np.linalg.solve(curve, facts.T @ (weight * (right - said)) - 1e-3 * beta)
    return beta


def _sigmoid(values: Any) -> Any:
    return 1 / (1 + np.exp(-values))


def measure(data: Path, chosen: settings.Settings, bar: Bar) -> dict[str, Any]:
    """What is refused in each set, and the calibration over all of them and across languages."""
    lives = [one.question for talk in locomo.load(data / "locomo/locomo_dev.json", 4) for one in talk.asked]
    english, spanish = (data / "xquad" / f"{language}.json" for language in ("en", "es"))
    sets = [questions.load(data / "squad2_dev"), questions.load(english), questions.load(spanish)]
    across = questions.load(english, spanish)
    found = {one.name: tried(one, lives, chosen, bar) for one in sets}
    found[across.name] = tried(across, [], chosen, bar)
    facts: dict[str, Any] = {name: {"rows": rows(of, chosen)} for name, of in found.items()}
    for name, of in found.items():
        odds, said = fitted(of)
        told = {fact: round(value, 2) for fact, value in odds._asdict().items()}
        facts[name] |= {"odds": told, "calibration": calibration(said)}
    return facts


def main(
    data: Annotated[Path, typer.Option(help="The folder with squad2_dev/, xquad/ and locomo/.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare ways of knowing when not to answer."""
    with Bar() as bar:
        facts = measure(data, settings.load(), bar)
    if json:
        show.as_json({"set": data.name, "machine": machine.described(), "sets": facts})
        return
    for name, of in facts.items():
        show.rows(of["rows"], name)
        show.rows(of["calibration"], f"{name}: confidence, fitted on the other articles")


if __name__ == "__main__":
    typer.run(main)
