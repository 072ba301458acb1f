"""OpenAI's own SDK through the proxy: it reads what it would read directly, and the model remembers."""

import asyncio
import json

import openai
import pytest

from tests.proxy.upstream import Reply, Upstream, chat, refused
from tests.proxy.vibe.served import environment, ran, served

ANSWER = "Run `make undo-release` on the host lantern-4, then watch the queue for a minute."
PAST = [
    {"role": "user", "content": "How do we roll back a deployment of the shop?"},
    {"role": "assistant", "content": ANSWER},
]
QUESTION = "How do I roll back a deployment of the shop?"
TOOLS = [
    {"type": "function", "function": {"name": "read", "parameters": {"type": "object", "properties": {}}}}
]

REFUSALS = [
    (400, []),
    (404, []),
    (422, []),
    (429, [("Retry-After", "7")]),
    (500, []),
    (503, [("retry-after-ms", "9"), ("x-should-retry", "false")]),
]


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as other:
        yield other


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory, model_cache, embedder):
    root = tmp_path_factory.mktemp("openai")
    chosen = environment(root / "data", model_cache)
    (root / "chat.jsonl").write_text(json.dumps({"id": "old", "project": "shop", "messages": PAST}) + "\n")
    assert json.loads(ran(chosen, "ingest", str(root), "--json"))["new"] == 1
    return chosen


@pytest.fixture(scope="module")
def proxy(upstream, surroundings):
    with served(upstream.url, surroundings) as running:
        yield running


@pytest.fixture(scope="module")
def alone(surroundings):
    with Upstream() as gone:
        pass
    with served(gone.url, surroundings) as running:
        yield running


def asked(**more):
    return {"model": "m", "messages": [{"role": "user", "content": QUESTION}], "temperature": 0.2} | more


def settings(url, **more):
    headers = {"x-rag-project": "shop"}
    return {"base_url": f"{url}/v1", "api_key": "k", "max_retries": 0, "default_headers": headers} | more


def sync(url, request, **more):
    own = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(http_client=own, **settings(url, **more)) as client:
        made = client.chat.completions.create(**request)
        return streamed(list(made)) if request.get("stream") else whole(made)


def concurrent(url, request, **more):
    async def create():
        own = openai.DefaultAsyncHttpxClient(trust_env=False)
        async with openai.AsyncOpenAI(http_client=own, **settings(url, **more)) as client:
            made = await client.chat.completions.create(**request)
            return streamed([chunk async for chunk in made]) if request.get("stream") else whole(made)

    return asyncio.run(create())


def whole(made):
    message = made.choices[0].message
    calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or []]
    return message.content or "", calls, made.choices[0].finish_reason


def streamed(chunks):
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    parts = [call for delta in deltas for call in delta.tool_calls or []]
    calls = [
        (
            part.id,
            part.function.name,
            "".join(one.function.arguments for one in parts if one.index == part.index),
        )
        for part in parts
        if part.id
    ]
    reason = next(chunk.choices[0].finish_reason for chunk in reversed(chunks) if chunk.choices)
    return "".join(delta.content or "" for delta in deltas), calls, reason


def raised(way, url, **more):
    with pytest.raises(openai.APIError) as caught:
        way(url, asked(**more))
    return caught.value


def injected(received, index=0):
    content = received.json["messages"][index]["content"]
    assert content.startswith(QUESTION)
    return content.removeprefix(QUESTION)


ways = pytest.mark.parametrize("way", [sync, concurrent])
streams = pytest.mark.parametrize("stream", [False, True])


@ways
@streams
def test_the_model_is_given_the_memory_and_the_client_the_same_answer(proxy, upstream, way, stream):
    upstream.script = chat("Let me look first.", [("read", {"path": "a"}), ("read", {"path": "b"})])
    request = asked(stream=stream, tools=TOOLS, seed=7, metadata={"é": "\u2028"})
    direct = way(upstream.url, request)
    without = upstream.completions[-1].json
    assert way(proxy.url, request) == direct
    received = upstream.completions[-1]
    assert "lantern-4" in injected(received)
    assert received.json | {"messages": without["messages"]} == without
    assert received.header("authorization") == "Bearer k"


@ways
@streams
def test_a_tool_round_trip_replays_the_identical_block(proxy, upstream, way, stream):
    upstream.script = chat(None, [("read", {"path": "a"})])
    request = asked(stream=stream, tools=TOOLS)
    _, [(name, *_)], reason = way(proxy.url, request)
    assert reason == "tool_calls"
    block = injected(upstream.completions[-1])
    call = {"id": name, "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}
    more = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": name, "content": "Nothing there."},
    ]
    upstream.script = chat("Done.")
    assert way(proxy.url, request | {"messages": [*request["messages"], *more]}) == ("Done.", [], "stop")
    assert "lantern-4" in block
    assert injected(upstream.completions[-1]) == block
    assert upstream.completions[-1].json["messages"][1:] == more


@ways
@streams
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal[0]))
def test_an_error_arrives_as_the_same_exception_as_directly(proxy, upstream, way, stream, refusal):
    status, headers = refusal
    upstream.script = lambda _: refused(status, "This is why.", headers)
    direct, through = (raised(way, url, stream=stream) for url in (upstream.url, proxy.url))
    assert type(through) is type(direct)
    assert (through.status_code, through.message, through.body) == (status, direct.message, direct.body)
    for name in ("retry-after", "retry-after-ms", "x-should-retry"):
        assert through.response.headers.get(name) == direct.response.headers.get(name)


@ways
def test_the_sdk_tries_again_as_it_is_told_and_sends_the_same_prompt(proxy, upstream, way):
    busy = iter([refused(429, "Busy.", [("retry-after-ms", "20")])])
    upstream.script = lambda _: next(busy, chat("Now."))
    assert way(proxy.url, asked(), max_retries=1)[0] == "Now."
    first, second = upstream.completions[-2:]
    assert first.body == second.body
    assert "lantern-4" in injected(second)


@ways
def test_a_stream_that_breaks_off_is_an_error_and_never_an_answer(proxy, upstream, way):
    def script(received):
        events = list(chat("One two three.")(received).body)[:3]
        return Reply(
            headers=[("Content-Type", "text/event-stream")], body=events, framing="chunked", cut=True
        )

    upstream.script = script
    assert "broke off" in raised(way, proxy.url, stream=True).message


def test_what_was_done_is_readable_in_the_raw_response(proxy, upstream):
    upstream.script = chat("Hola.")
    own = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(http_client=own, **settings(proxy.url)) as client:

        def status(**more):
            raw = client.chat.completions.with_raw_response.create(**asked(**more))
            assert raw.parse().choices[0].message.content == "Hola."
            return raw.headers["x-rag-status"]

        named = {"x-affinity": "a session of its own"}
        assert status(extra_headers=named, tools=TOOLS) == "injected"
        assert status(extra_headers=named, tools=TOOLS) == "replayed"
        assert status(extra_headers={"x-rag-mode": "off"}) == "off"
        assert status(messages=[{"role": "user", "content": "What is the capital of Peru?"}]) == "none"
        title = {"role": "system", "content": "Generate a title for this conversation."}
        assert status(messages=[title, {"role": "user", "content": QUESTION}]) == "skipped"


def test_the_models_are_those_of_the_server(proxy, upstream):
    upstream.script = chat("Hola.")
    own = openai.DefaultHttpxClient(trust_env=False)
    with openai.OpenAI(http_client=own, **settings(proxy.url)) as client:
        assert [model.id for model in client.models.list()] == ["m"]


def test_an_address_without_v1_serves_too(proxy, upstream):
    upstream.script = chat("Hola.")
    assert sync(proxy.url, asked(), base_url=proxy.url)[0] == "Hola."
    assert "lantern-4" in injected(upstream.completions[-1])


def test_another_project_is_given_nothing(proxy, upstream):
    upstream.script = chat("Hola.")
    sync(proxy.url, asked(), default_headers={"x-rag-project": "harbour"})
    assert upstream.completions[-1].json == asked()


@ways
@streams
def test_where_no_server_answers_the_exception_says_so(alone, way, stream):
    error = raised(way, alone.url, stream=stream)
    assert isinstance(error, openai.InternalServerError)
    assert (error.status_code, error.code) == (502, "upstream_unreachable")
    assert "Nothing answers at" in error.message
