"""That `make bench` runs every measurement under a title, and that their JSON names machine and versions."""

import json
import re
import subprocess
import sys

import pytest

from benchmarks import machine
from benchmarks.servers import ROOT

MEASURED = [
    "followups", "documents", "search", "ablation", "confidence", "shortcuts", "indexing", "startup",
    "memory", "ingest", "recall", "nearest", "prefix", "proxy", "scale", "pictures",
]  # fmt: skip


def test_make_bench_measures_one_after_the_other_each_under_a_title(tmp_path):
    for name in ("xquad/es.json", "locomo/some.json"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    words = ["/usr/bin/env", "make", "-n", "bench", f"DATA={tmp_path}"]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    steps = re.findall(r"== %s\\n' \"([^\"]+)\"[^=]*?-m benchmarks\.(\w+)", said)
    assert [module for _, module in steps] == MEASURED
    assert len({title for title, _ in steps}) == len(MEASURED)
    assert "benchmarks.machine" in said.partition("==")[0]
    bare = subprocess.run(words[:-1], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "in /" not in re.sub(r"for set in ;.*?done", "", bare, flags=re.S)


def test_the_machine_is_named_with_the_versions_that_decide():
    told = machine.described()
    assert told["cores"] > 0
    assert told["memory_gb"] > 0
    assert told["python"] == sys.version.split()[0]
    assert set(machine.LIBRARIES) <= set(told)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "arguments"),
    [("followups", []), ("indexing", ["--documents", "mis_documentos"]), ("ingest", ["--sessions", "2"])],
)
def test_the_json_of_a_measurement_names_the_machine(environment, module, arguments):
    words = [sys.executable, "-m", f"benchmarks.{module}", "--json", *arguments]
    run = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout)["machine"] == machine.described()
