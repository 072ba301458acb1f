"""That the committed pictures show the committed numbers, and that what they show is what was measured."""

import json
import struct
import subprocess
import sys

import pytest

from benchmarks import pictured, pictures, record, scale
from benchmarks.servers import ROOT

RESULTS = json.loads(pictures.RESULTS.read_text())
COMMITTED = sorted(pictures.OUT.iterdir())
NO_LIBRARY = """
import sys
sys.modules["matplotlib"] = None
from benchmarks import pictures
from terminal import command_line
command_line.run(pictures.cli, "pictures")
"""


def chunks(png):
    """The parts of a PNG by their names."""
    found, at = {}, 8
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        found[name] = png[at + 8 : at + 8 + length]
        at += 12 + length
    return found


def shown(file):
    keyword, _, mark = chunks(file.read_bytes())[b"tEXt"].partition(b"\0")
    assert keyword.decode() == pictures.KEYWORD
    return mark.decode()


def figures(results=RESULTS):
    return {name: figure for name, (figure, _) in pictures.figures(results).items()}


def points(axis):
    return [tuple(zip(*line.get_data(), strict=True)) for line in axis.get_lines()]


def test_the_pictures_are_up_to_date_with_the_results():
    wanted = {name: pictured.fingerprint(numbers) for name, numbers in pictured.numbers(RESULTS)}
    there = {file.stem: shown(file) for file in COMMITTED}
    assert there == wanted, "run `python -m benchmarks.pictures`"
    assert {"documents", "memory", "proxy", "prefix", "speed"} <= set(wanted)


def test_another_number_is_another_fingerprint():
    changed = json.loads(json.dumps(RESULTS))
    changed["documents"]["es"]["rows"][3]["hit@3"] += 0.1
    marks = [dict(pictured.numbers(results))["documents"] for results in (RESULTS, changed)]
    assert pictured.fingerprint(marks[0]) != pictured.fingerprint(marks[1])


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.stem)
def test_a_picture_is_small_and_as_wide_as_a_readme_needs(file):
    width, height = struct.unpack(">II", chunks(file.read_bytes())[b"IHDR"][:8])
    assert file.stat().st_size < 80_000
    assert 1000 <= width <= 1400
    assert 300 <= height <= 800


def test_documents_are_drawn_where_they_were_measured():
    axes = [axis for axis in figures()["documents"].axes if axis.get_visible()]
    assert len(axes) == len(RESULTS["documents"])
    for axis, given in zip(axes, RESULTS["documents"].values(), strict=True):
        assert axis.get_xscale() == "log"
        for row in given["rows"]:
            assert ((row["ms"], row["hit@3"]),) in points(axis)
            assert ((row["ms"], row["hit@1"]), (row["ms"], row["hit@5"])) in points(axis)


def test_memory_is_drawn_where_it_was_measured():
    (axis,) = figures()["memory"].axes
    for row in RESULTS["memory"]["rows"]:
        names = ("chars_shipped", "recall_shipped") if row["method"] == "ours" else ("chars@5", "recall@5")
        more = tuple(row[name] for name in names)
        both = sorted([(2000, row["recall_2000"]), more])
        assert tuple(both) in points(axis)


def test_proxies_are_drawn_where_they_were_measured_and_those_without_figures_are_not():
    added, cost = figures()["proxy"].axes
    names = [label.get_text() for label in added.get_yticklabels()]
    rows = {row["method"]: row for row in RESULTS["proxy"]["overhead"]["rows"]}
    assert (added.get_xscale(), cost.get_xscale()) == ("log", "log")
    for method, label in pictured.PROXIES.items():
        row, place = rows[method], names.index(label)
        assert ((row["added_p50_ms"], place),) in points(added)
        assert ((row["added_p95_ms"], place),) in points(added)
        assert ((row["cpu_ms_per_request"], place),) in points(cost)
    absent = json.loads(json.dumps(RESULTS))
    nginx = absent["proxy"]["overhead"]["rows"][1]
    nginx |= dict.fromkeys(set(nginx) - {"method"})
    assert len(figures(absent)["proxy"].axes[0].get_yticklabels()) == len(names) - 1


def test_the_bars_of_the_prefix_add_up_to_what_was_read_anew():
    (axis,) = figures()["prefix"].axes
    widths = [[bar.get_width() for bar in bars] for bars in axis.containers]
    totals = [sum(parts) for parts in zip(*widths, strict=True)]
    assert totals == [row["tokens_read_anew"] for row in RESULTS["proxy"]["prefix"]]


def test_speeds_are_those_of_the_results():
    (axis,) = figures()["speed"].axes
    drawn = sorted(bar.get_width() for bars in axis.containers for bar in bars)
    given = RESULTS["ingest"]
    logs = [row["turns_per_s"] for row in given["logs"] if row["method"] != "again"]
    assert drawn == sorted([given["indexing"]["embedder_per_s"], given["indexing"]["index_per_s"], *logs])


def test_what_was_not_measured_is_not_drawn_and_its_old_picture_goes(tmp_path):
    (tmp_path / "memory.png").write_bytes(b"old")
    (tmp_path / "mine.png").write_bytes(b"somebody's own")
    few = {"documents": RESULTS["documents"]}
    assert [file.name for file in pictures.write(few, tmp_path)] == ["documents.png"]
    assert {file.name for file in tmp_path.iterdir()} == {"documents.png", "mine.png"}
    assert shown(tmp_path / "documents.png") == shown(pictures.OUT / "documents.png")
    first = (tmp_path / "documents.png").read_bytes()
    pictures.write(few, tmp_path)
    assert (tmp_path / "documents.png").read_bytes() == first


def test_the_command_says_what_it_drew_and_what_is_wrong(tmp_path):
    def run(*words):
        return subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )

    command = ("-m", "benchmarks.pictures", "--out", str(tmp_path / "out"))
    done = run(*command)
    assert len(done.stdout.splitlines()) == len(COMMITTED)
    absent = run(*command, "--results", str(tmp_path / "absent.json"))
    assert (absent.returncode, "cannot be read as results" in absent.stderr) == (2, True)
    bare = run("-c", NO_LIBRARY)
    assert (bare.returncode, bare.stderr.count("\n")) == (3, 1)
    assert "matplotlib" in bare.stderr


@pytest.mark.slow
def test_memories_of_several_sizes_are_recorded_and_drawn(home):
    plans = [scale.Plan(memories=count, clients=2, seconds=1) for count in (150, 300)]
    part = record.scale_part(plans)
    assert part["machine"]["cores"] > 0
    (axis,) = figures({"scale": part})["scale"].axes
    ones = [(run["plan"]["memories"], run["asked"][0]["added_p50_ms"]) for run in part["runs"]]
    assert tuple(ones) in points(axis)
    assert "scale" not in dict(pictured.numbers({"scale": {"runs": part["runs"][:1]}}))
