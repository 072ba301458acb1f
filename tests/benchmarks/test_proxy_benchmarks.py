"""That the two measurements of the proxy run and say what they promise; the numbers are not judged here."""

import pytest

from benchmarks import coding, load, prefix, proxy, servers
from terminal.progress import Bar

ROW = {"added_p50_ms", "added_p95_ms", "requests_per_second", "cpu_ms_per_request", "rss_mb", "method"}


@pytest.mark.slow
@pytest.mark.timeout(300)  # the trial model reads some 3,000 tokens, on however busy a machine
def test_the_prefix_benchmark_finds_that_the_proxy_reads_the_least_anew(home):
    with Bar() as bar:
        rows = {row["method"]: row for row in prefix.measure(coding.load(longest=60, turns=2), home, bar)}
    assert list(rows) == ["none", "ours", "current_turn", "system"]
    least, ours = rows["none"]["tokens_read_anew"], rows["ours"]["tokens_read_anew"]
    assert 30 < least < ours < rows["current_turn"]["tokens_read_anew"] < rows["system"]["tokens_read_anew"]
    assert rows["ours"]["memory_tokens"] > 100
    assert rows["ours"]["within_target"]
    assert rows["ours"]["steady"]
    assert not rows["system"]["within_target"]


@pytest.mark.slow
def test_the_proxy_benchmark_measures_every_method_side_by_side(home):
    plan = proxy.Plan(seconds=1.0, turns=30, streams=20, litellm=home / "absent")
    with Bar() as bar:
        facts = proxy.measure(plan, home, bar)
    rows = {row["method"]: row for row in facts["rows"]}
    assert list(rows) == ["direct", "nginx", "ours", "ours_with_memory", "ours_off"]
    for name in ("ours", "ours_with_memory", "ours_off"):
        assert set(rows[name]) >= ROW
        assert abs(rows[name]["added_p50_ms"]) < 1000  # on a busy machine direct may be the slower one
        assert rows[name]["requests_per_second"] > 0
        assert rows[name]["cpu_ms_per_request"] > 0
        assert rows[name]["rss_mb"] > 20
        assert rows[name]["failed"] == 0
    assert rows["ours_with_memory"]["looked_up"] > 0.5
    assert rows["ours_off"]["looked_up"] == 0
    assert (rows["nginx"]["note"] == "not installed") is not servers.NGINX.exists()
    crowds = {row["method"]: row for row in facts["streams"]}
    assert crowds["ours"]["dropped"] == crowds["direct"]["dropped"] == 0
    assert crowds["ours"]["chunk_p99_ms"] >= crowds["ours"]["chunk_p50_ms"] > 0


def test_no_two_requests_ask_the_same():
    questions = load.Questions(kilobytes=1)
    assert len({questions.one("instant") for _ in range(2000)}) == 2000
