"""That the measurement of a large memory runs, here over a small one; the numbers are not judged."""

import pytest

from benchmarks import scale
from terminal.progress import Bar

PLAN = scale.Plan(memories=200, clients=2, seconds=1)


@pytest.mark.slow
def test_the_scale_benchmark_says_what_a_memory_takes_and_how_it_is_answered(home):
    with Bar() as bar:
        facts = scale.measure(PLAN, home, bar)
        again = scale.measure(PLAN, home, bar)
    held = facts["held"]
    assert held["memories"] == 200
    assert held["written_s"] > 0
    assert held["rss_mb"] > held["rss_own_mb"] > 20
    assert held["vectors_bytes"] > 4 * 384
    assert held["payload_bytes"] > 300
    kinds = sum(size for name, size in held.items() if name.endswith("_bytes"))
    assert kinds == pytest.approx(held["bytes_each"], abs=1)
    assert held["bytes_each"] * 200 / 1e6 == pytest.approx(held["disk_mb"], abs=0.1)
    rows = {row["way"]: row for row in facts["asked"]}
    assert list(rows) == ["one", "pause", "rush"]
    for row in rows.values():
        assert row["requests"] > 0
        assert row["failed"] == 0
        assert row["looked_up"] + row["degraded"] == pytest.approx(1, abs=0.01)
        assert row["added_p50_ms"] <= row["added_p95_ms"] <= row["added_p99_ms"]
    # What was kept is measured again without being built again.
    assert again["held"]["written_s"] is None
    assert again["held"]["bytes_each"] == pytest.approx(held["bytes_each"], rel=0.2)


def test_memory_of_a_process_that_is_gone_is_not_told():
    assert scale._own_mb(None) is None
