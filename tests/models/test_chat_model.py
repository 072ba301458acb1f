import time

import pytest

from errors import ModelFailed
from models.chat import chat_model, failure, is_cut
from models.endpoint import Endpoint
from tests import scripted

KEY = "sesame-open"


def endpoint_of(url, kind="vllm"):
    return Endpoint(f"{url}/v1", "devstral", kind, KEY)


def asked(url, **settings):
    return chat_model(endpoint_of(url), **{"timeout_seconds": 5, **settings}).invoke("Hello?")


def failed(script, **settings):
    """What people read when a server behaves like the script."""
    with scripted.server(script) as other:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the library makes of it
            asked(other.url, **settings)
        told = failure(caught.value, endpoint_of(other.url))
        assert isinstance(told, ModelFailed)
        assert f"devstral at {other.url}/v1" in str(told)
    assert KEY not in str(told)
    assert "\n" not in str(told)
    return str(told)


def test_an_answer_streams_in_pieces():
    with scripted.server(scripted.streamed("Hola", " mundo")) as other:
        pieces = list(chat_model(endpoint_of(other.url), timeout_seconds=5).stream("Hello?"))
    assert [piece.content for piece in pieces if piece.content] == ["Hola", " mundo"]
    assert other.requests[0].body["model"] == "devstral"
    assert other.requests[0].body["temperature"] == 0
    assert other.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_it_streams_without_blocking_others():
    with scripted.server(scripted.streamed("Hola", " mundo")) as other:
        model = chat_model(endpoint_of(other.url), timeout_seconds=5)
        assert "".join([piece.content async for piece in model.astream("Hello?")]) == "Hola mundo"


def test_the_time_limit_counts_silence_and_not_the_whole_answer():
    with scripted.server(scripted.streamed(*"abcdef", pause_seconds=0.2)) as other:
        assert asked(other.url, timeout_seconds=0.6).content == "abcdef"


@pytest.mark.parametrize(("kind", "name"), [("ollama", "max_tokens"), ("vllm", "max_completion_tokens")])
def test_the_limit_of_an_answer_has_the_name_that_the_server_knows(kind, name):
    with scripted.server() as other:
        chat_model(endpoint_of(other.url, kind), timeout_seconds=5, max_tokens=7).invoke("Hello?")
    limits = {key: value for key, value in other.requests[0].body.items() if key.startswith("max_")}
    assert limits == {name: 7}


def test_this_machine_is_asked_directly_whatever_the_proxy_settings(monkeypatch):
    for name in ("HTTP_PROXY", "ALL_PROXY", "OPENAI_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with scripted.server() as other:
        assert asked(other.url).content == "Hola"


def test_a_whole_answer_is_not_cut():
    with scripted.server() as other:
        assert not is_cut(asked(other.url))


def test_a_stream_without_a_reason_to_end_is_cut():
    with scripted.server(scripted.cut("Ho", "la")) as other:
        message = asked(other.url)
    assert message.content == "Hola"
    assert is_cut(message)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (scripted.failing(401, f"Incorrect key: {KEY}"), ["401", "Incorrect key: ***", "OPENAI_API_KEY"]),
        (scripted.failing(404, "no model devstral"), ["404", "no model devstral", "LLM_MODEL"]),
        (scripted.failing(400, "exceeds the context"), ["400", "exceeds the context", "less text"]),
        (scripted.failing(429, "slow down", retry_after="0"), ["429", "slow down", "wait"]),
        (scripted.failing(500, "boom\n" * 99), ["500", "boom boom", "log"]),
        (scripted.complained("Ho", message="out of memory"), ["out of memory", "log"]),
        (scripted.broken("Ho"), ["closed the connection before the answer was whole"]),
        (scripted.cut(), ["empty answer"]),
        (scripted.plain("not streamed"), ["empty answer"]),
    ],
)
def test_a_failure_is_one_sentence_with_a_cure(script, words):
    told = failed(script)
    for word in words:
        assert word in told
    assert len(told) < 450


def test_a_server_that_fails_for_a_moment_is_asked_again():
    scripts = [scripted.failing(429, retry_after="0"), scripted.failing(500), scripted.streamed("Hola")]
    with scripted.server(scripted.one_after_another(*scripts)) as other:
        assert asked(other.url).content == "Hola"
    assert len(other.requests) == 3


def test_a_server_that_never_answers_is_given_up():
    began = time.monotonic()
    assert "did not answer in time" in failed(scripted.silent(), timeout_seconds=0.2)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("script", [scripted.streamed("Ho", "la", pause_seconds=1), scripted.pinging()])
async def test_a_stream_that_falls_silent_is_given_up(script):
    with scripted.server(script) as other:
        model = chat_model(endpoint_of(other.url), timeout_seconds=0.2)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the library makes of it
            await model.ainvoke("Hello?")
    assert "did not answer in time" in str(failure(caught.value, endpoint_of(other.url)))


def test_a_server_that_is_gone_is_named():
    with scripted.server() as other:
        pass
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the library makes of it
        asked(other.url)
    assert "cannot be reached" in str(failure(caught.value, endpoint_of(other.url)))


@pytest.mark.parametrize("error", [ValueError("a number"), KeyboardInterrupt(), TimeoutError()])
def test_what_is_not_the_fault_of_the_endpoint_is_left_alone(error):
    assert failure(error, endpoint_of("http://127.0.0.1:9")) is None
