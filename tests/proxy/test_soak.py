"""A few seconds of what `python -m tests.proxy.soak` does for half an hour."""

import pytest

from tests.proxy.soak import faults, soak


@pytest.mark.slow
def test_under_load_with_faults_nothing_is_lost_and_nothing_stays_open(tmp_path, model_cache, embedder):
    told, load, upstream = soak(tmp_path, model_cache, rounds=[4.0, 4.0], rate=25, turns=10)
    assert faults(told, load, upstream) == []
    assert load.sent > 150
    assert {"injected", "replayed", "degraded"} <= set(load.statuses)
    before, after = told.held
    assert after.descriptors <= before.descriptors + 3  # a connection or two may still be closing
    assert after.threads <= before.threads
