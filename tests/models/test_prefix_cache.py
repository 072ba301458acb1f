"""The prefix cache's hit rate, as vLLM tells it."""

from contextlib import closing
from socket import create_server

import pytest

from models.prefix_cache import hit_rate
from tests.proxy.upstream import Reply, Upstream

ONE = """\
# HELP vllm:prefix_cache_queries_total Prefix cache queries, in terms of number of queried tokens.
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{engine="0",model_name="m"} 200.0
# TYPE vllm:prefix_cache_queries_created gauge
vllm:prefix_cache_queries_created{engine="0",model_name="m"} 1.7633e+09
# TYPE vllm:prefix_cache_hits_total counter
vllm:prefix_cache_hits_total{engine="0",model_name="m"} 150.0
vllm:external_prefix_cache_queries_total{engine="0",model_name="m"} 1000.0
vllm:external_prefix_cache_hits_total{engine="0",model_name="m"} 999.0
vllm:request_success_total{finished_reason="stop",model_name="m"} 3.0
"""
TWO = (
    ONE
    + """\
vllm:prefix_cache_queries_total{engine="1",model_name="m}{x"} 1e+02
vllm:prefix_cache_hits_total{engine="1",model_name="m}{x"} 0.0
"""
)


def told(reply):
    with Upstream(lambda received: reply if received.target == "/metrics" else Reply(404)) as other:
        return hit_rate(other.url)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        (ONE, 0.75),
        (TWO, 0.5),
        (ONE.replace("prefix_cache", "gpu_prefix_cache"), 0.75),
        ("vllm:prefix_cache_queries_total 3\nvllm:prefix_cache_hits_total 1\n", 0.3333),
        ("vllm:prefix_cache_queries_total 3 1763300000000\r\nvllm:prefix_cache_hits_total 1\r\n", 0.3333),
        (ONE.replace("200.0", "0.0"), None),
        (ONE.replace("200.0", "NaN"), None),
        ("# no such counters\n", None),
        ("", None),
        ("<html>not found</html>", None),
    ],
)
def test_hits_and_queries_of_all_engines_are_summed(text, rate):
    assert told(Reply(body=text.encode())) == rate


def test_a_server_that_does_not_tell_is_none():
    assert told(Reply(404, body=b"{}")) is None
    assert told(Reply(body=b"\xff\xfe\x00", framing="close")) is None
    assert told(Reply(body=b"half", cut=True, framing="chunked")) is None
    with closing(create_server(("127.0.0.1", 0))) as socket:
        nobody = f"http://127.0.0.1:{socket.getsockname()[1]}"
    assert hit_rate(nobody) is None
    assert hit_rate("http://[") is None
