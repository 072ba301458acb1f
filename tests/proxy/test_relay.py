"""What passes through the proxy, and what is added to it."""

import json

import httpx

from tests.proxy.inside import found, inside
from tests.proxy.upstream import Upstream

TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}]


def asked(*messages, **more):
    return json.dumps({"model": "m", "messages": list(messages), "tools": TOOLS, **more}).encode()


def user(text):
    return {"role": "user", "content": text}


def post(proxy, body, **headers):
    return httpx.post(f"{proxy.url}/v1/chat/completions", content=body, headers=headers, trust_env=False)


def test_a_user_turn_gets_its_memory_and_every_later_request_the_same_bytes(tmp_path):
    with Upstream() as upstream, inside(upstream.url, tmp_path, lambda _: found("the port is 6543")) as proxy:
        first = post(proxy, asked(user("Which port?")))
        assert first.headers["x-rag-status"] == "injected"
        assert first.headers["x-rag-memories"] == "1"
        said = upstream.requests[-1].json["messages"][0]["content"]
        assert said.startswith("Which port?\n\n<memory>")
        later = [user("Which port?"), {"role": "assistant", "tool_calls": [{"id": "1"}]}]
        second = post(proxy, asked(*later, {"role": "tool", "tool_call_id": "1", "content": "x"}))
        assert second.headers["x-rag-status"] == "replayed"
        assert upstream.requests[-1].json["messages"][0]["content"] == said
        assert len(proxy.asked) == 1


def test_what_gets_nothing_arrives_byte_for_byte(tmp_path):
    body = b'{ "messages" : [ {"role":"user", "content":"h\\u00e9 \\ud800"} ], "x": 1e400, "x": 1234567 }'
    with Upstream() as upstream, inside(upstream.url, tmp_path) as proxy:
        answer = post(proxy, body)
        assert answer.headers["x-rag-status"] == "none"
        assert upstream.requests[-1].body == body
