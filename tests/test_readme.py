"""The README says what is so: its commands exist, its numbers were measured, its links lead somewhere."""

import json
import re
import subprocess
from pathlib import Path

from benchmarks import readme

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_the_numbers_are_those_of_the_results_file():
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    assert readme.BEGIN + readme.numbers(results) + readme.END in README


def test_every_make_target_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text()
    papers = [README, *(path.read_text() for path in (ROOT / "docs").glob("*.md"))]
    papers += [(ROOT / name).read_text() for name in ("CONTRIBUTING.md", "SECURITY.md")]
    code = "\n".join(line for paper in papers for line in re.findall(r"`[^`]+`|^    .+|^\\$ .+", paper, re.M))
    for target in set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", code)):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_make_alone_lists_every_target():
    run = subprocess.run(["/usr/bin/env", "make"], cwd=ROOT, capture_output=True, text=True, check=True)
    public = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.M)
    for target in public:
        assert f"make {target} " in run.stdout


def test_the_commands_of_the_table_are_those_of_the_program(app):
    table = set(re.findall(r"`python app\.py (\w[\w-]*)", README))
    listed = set(re.findall(r"^  (\w[\w-]*)  ", app("--help").stdout.split("Commands:")[1], re.M))
    assert table == listed


def test_the_first_conversation_really_goes_like_that(app):
    """The model's words may differ from machine to machine; the passages and scores may not."""
    (transcript,) = re.findall(r"```\n\$ make chat\n(.+?)```", README, re.S)
    questions = re.findall(r"^» (.+)$", transcript, re.M)
    run = app("--documents", ROOT / "mis_documentos", stdin="\n".join(questions) + "\n")
    assert run.returncode == 0
    for line in re.findall(r"^\[\d\] .+$", transcript, re.M):
        assert line in run.stdout
    words = " ".join(transcript.split())
    (abstention,) = re.findall(r"The documents do not hold .+? …”", words)
    assert abstention in " ".join(run.stdout.split())


def test_links_within_the_repository_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_tree_names_what_is_there():
    (tree,) = re.findall(r"```\n(app\.py .+?)```", README, re.S)
    for name in re.findall(r"(?:^|  )([a-z_]+(?:\.py|/))", tree, re.M):
        assert name == "data/" or (ROOT / name).exists(), name
