"""That the graph is held against a scan, over a few docstrings; the numbers are not judged."""

import pytest
import typer

from benchmarks import nearest
from terminal.progress import Bar

FILE = '''
"""Number {0} of the modules tells how apples, pears and plums are stored in winter.

It has a second paragraph, in which the {0} neighbours tell each other about their {1} trains."""

def broken(): """Too short."""
'''


def test_the_graph_is_held_against_a_scan_of_everything(home, tmp_path):
    for number in range(80):
        (tmp_path / f"m{number:02}.py").write_text(FILE.format(number, number * 7))
    (tmp_path / "a.py").write_text("this is no Python")
    texts = list(nearest.paragraphs(tmp_path))
    assert len(texts) == 160
    assert texts[0].startswith("Number 0 of")
    with Bar() as bar:
        rows = nearest.measure([30, 10], tmp_path, home, bar)
    told = [(row["turns"], row["ten"], row["hundred"]) for row in rows]
    assert told == [(10, 100.0, 100.0), (30, 100.0, 100.0)]
    with Bar() as bar, pytest.raises(typer.BadParameter, match="ask for fewer"):
        nearest.measure([1000], tmp_path, home, bar)
