import os
import time

import pytest

from loaders.vibe.times import moment, stamp


@pytest.fixture
def in_madrid():
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Madrid"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize(
    ("text", "naive_is_local", "shown"),
    [
        ("2026-11-22T01:26:05.330491", True, "2026-11-22T00:26:05.330Z"),
        ("2026-11-22T01:26:05.330491", False, "2026-11-22T01:26:05.330Z"),
        ("2026-11-22T01:26:05+00:00", True, "2026-11-22T01:26:05.000Z"),
        ("2026-11-22", False, "2026-11-22T00:00:00.000Z"),
        ("9999-12-31T23:59:59-12:00", False, None),
    ],
)
def test_a_time_without_a_zone_is_local_or_utc_as_its_format_says(in_madrid, text, naive_is_local, shown):
    assert stamp(moment(text, naive_is_local)) == shown
