"""Conformance suites say the same of a server through the proxy; conformance.py gets the suites."""

import pytest

from tests.proxy.conformance import SERVERS, compared, differences, missing


@pytest.mark.skipif(missing() is not None, reason="the suites are not installed")
@pytest.mark.parametrize("server", SERVERS)
def test_every_verdict_is_the_same_through_the_proxy(server):
    by_way, planted = compared(SERVERS[server])
    assert differences(by_way) == []
    assert planted >= 10  # the memory was there to be noticed
    direct = by_way["direct"].values()
    assert len(direct) == 29
    assert sum(verdict.startswith("fail") for verdict in direct) == {"faultless": 0, "faulty": 22}[server]
