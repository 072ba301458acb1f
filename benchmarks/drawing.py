"""How the pictures are drawn: a colour that the colour-blind can tell and a sign for each method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from benchmarks.pictured import Numbers
from benchmarks.readme import RECALLING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours.
GREY, ORANGE, SKY, BLUE = "#8c8c8c", "#e69f00", "#56b4e9", "#0072b2"
GREEN, RED, PURPLE = "#009e73", "#d55e00", "#cc79a7"
MARKS = ((GREY, "o"), (ORANGE, "s"), (SKY, "^"), (PURPLE, "v"), (GREEN, "P"), (BLUE, "D"))
STYLES = dict(zip(RECALLING.values(), MARKS, strict=True))
SPARE = ((GREEN, "v"), (RED, "P"))
WIDTH = 8.4
DPI = 150
"""Makes 1260 pixels, half as many again as a README is wide."""


def is_possible() -> bool:
    """Whether matplotlib is here, which only who develops needs."""
    try:
        import matplotlib.figure  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def _blank(height: float, columns: int = 1, rows: int = 1, **shared: Any) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False, **shared)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(color="#e5e5e5", linewidth=0.8)
        axis.set_axisbelow(True)
    return figure, axes


def _plain(value: float, _: object = None) -> str:
    """A number as people write it: 0.1, 1, 10,000."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _logarithmic(axis: Any) -> None:
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(_plain)


def _documents(shown: Numbers) -> Figure:
    columns = 2
    figure, axes = _blank(4.6, columns, -(-len(shown) // columns), sharex=True, sharey=True)
    for axis, (name, methods) in zip(axes.flat, shown.items(), strict=False):
        for number, (method, row) in enumerate(methods.items()):
            colour, sign = _style(method, number)
            axis.plot([row["ms"]] * 2, [row["hit@1"], row["hit@5"]], color=colour, linewidth=2, alpha=0.6)
            axis.plot(row["ms"], row["hit@3"], sign, color=colour, markersize=7, label=method)
        axis.set_title(name, fontsize=10)
        _logarithmic(axis)
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    figure.supxlabel("ms a question, its embedding included (logarithmic)", fontsize=9)
    figure.supylabel(
        "right passage among the first 3, %\n(line: first 1 to first 5)", fontsize=9, ma="center"
    )
    _legend(figure, axes.flat[0])
    return figure


def _memory(shown: Numbers) -> Figure:
    figure, ((axis,),) = _blank(3.6)
    for number, (method, points) in enumerate(shown.items()):
        x, y = zip(*points, strict=True)
        colour, sign = _style(method, number)
        axis.plot(x, y, f"{sign}-", color=colour, markersize=7, label=method)
    axis.set_xlabel("characters delivered: as many as fit 2,000, and the first five units or what is shipped")
    axis.set_ylabel("of the evidence recalled, %")
    axis.xaxis.set_major_formatter(_plain)
    _legend(figure, axis)
    return figure


def _proxy(shown: Numbers) -> Figure:
    figure, ((added, cost),) = _blank(2.9, 2, sharey=True)
    for place, row in enumerate(shown.values()):
        added.plot([row["p50"], row["p95"]], [place] * 2, color=BLUE, linewidth=2, alpha=0.6)
        added.plot(row["p50"], place, "o", color=BLUE, markersize=7, label=None if place else "median")
        added.plot(
            row["p95"],
            place,
            "|",
            color=BLUE,
            markersize=12,
            mew=2,
            label=None if place else "95 of 100 requests",
        )
        cost.plot(row["cpu"], place, "D", color=ORANGE, markersize=7)
        cost.annotate(
            f"{row['cpu']:g}", (row["cpu"], place), (0, 7), textcoords="offset points", ha="center", size=8
        )
    added.set_yticks(range(len(shown)), list(shown))
    added.invert_yaxis()
    added.set_ylim(len(shown) - 0.5, -0.6)
    added.set_xlabel("ms added to the first byte\n(logarithmic)")
    cost.set_xlabel("processor ms a request, 64 clients\n(logarithmic)")
    for axis in (added, cost):
        _logarithmic(axis)
        axis.margins(x=0.15)
    _legend(figure, added)
    return figure


def _prefix(shown: Numbers) -> Figure:
    figure, ((axis,),) = _blank(2.9)
    left = [0] * len(shown)
    parts = (("the conversation itself", GREY), ("the memories, once", BLUE), ("read again", RED))
    for part, (label, colour) in enumerate(parts):
        widths = [tokens[part] for tokens in shown.values()]
        axis.barh(range(len(shown)), widths, left=left, color=colour, label=label, height=0.6)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    for place, total in enumerate(left):
        axis.annotate(f"{total:,}", (total, place), (4, 0), textcoords="offset points", va="center", size=9)
    axis.set_yticks(range(len(shown)), list(shown))
    axis.invert_yaxis()
    axis.margins(x=0.08)
    axis.set_xlabel("tokens that the model server reads anew")
    axis.xaxis.set_major_formatter(_plain)
    _legend(figure, axis)
    return figure


def _speed(shown: Numbers) -> Figure:
    figure, ((axis,),) = _blank(2.4)
    labels, places = [], []
    for group, (what, speeds) in enumerate(shown.items()):
        for number, (by, speed) in enumerate(speeds.items()):
            place = 2.6 * group + number
            axis.barh(place, speed, color=(GREY, BLUE)[number], height=0.8)
            axis.annotate(
                f"{speed:g}", (speed, place), (4, 0), textcoords="offset points", va="center", size=9
            )
            labels.append(f"{what}: {by}")
            places.append(place)
    axis.set_yticks(places, labels)
    axis.invert_yaxis()
    axis.margins(x=0.1)
    axis.set_xlabel("passages, turns a second")
    return figure


def _scale(shown: Numbers) -> Figure:
    figure, ((axis,),) = _blank(3.4)
    for number, (way, rows) in enumerate(shown.items()):
        memories, median, most = zip(*rows, strict=True)
        colour, sign = ((BLUE, "D"), (ORANGE, "s"))[number % 2]
        axis.plot(memories, median, f"{sign}-", color=colour, label=f"{way}, median")
        axis.plot(memories, most, f"{sign}--", color=colour, mfc="white", label=f"{way}, 95 of 100")
    _logarithmic(axis)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("memories held (logarithmic)")
    axis.set_ylabel("ms added to the first byte")
    _legend(figure, axis, columns=2)
    return figure


def _style(method: str, number: int) -> tuple[str, str]:
    return STYLES.get(method, SPARE[number % len(SPARE)])


def _legend(figure: Figure, axis: Any, columns: int = 6) -> None:
    """Above the axes."""
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=min(columns, len(labels)),
        frameon=False,
        fontsize=9,
    )


DRAWN: Mapping[str, Callable[[Numbers], Figure]] = {
    "documents": _documents,
    "memory": _memory,
    "proxy": _proxy,
    "prefix": _prefix,
    "speed": _speed,
    "scale": _scale,
}
