from contextlib import closing
from socket import create_server

import pytest

from errors import BadInput
from models.probe import probe
from tests import scripted


@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with closing(create_server(("127.0.0.1", 0))) as socket:
        port = socket.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(("pose", "kind"), [("ollama", "ollama"), ("vllm", "vllm"), (None, "openai")])
def test_servers_are_told_apart_by_asking(pose, kind):
    with scripted.server(pose=pose, models=("first", "second")) as other:
        found = probe(other.url)
    assert (found.kind, found.models, found.problem) == (kind, ("first", "second"), None)


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_an_address_may_end_as_it_likes(ending):
    with scripted.server(pose="vllm") as other:
        assert probe(other.url + ending).base_url == f"{other.url}/v1"
        assert probe(other.url.removeprefix("http://") + ending).models == ("m",)


def test_what_is_no_address_is_refused():
    with pytest.raises(BadInput, match="not an address"):
        probe("http://[::1")


def test_a_server_that_answers_everything_is_not_taken_for_ollama():
    parrot = (200, {"error": "Unexpected endpoint"})
    with scripted.server(paths={"/api/version": parrot, "/version": parrot}) as other:
        assert probe(other.url).kind == "openai"


def test_where_nobody_answers_the_problem_names_the_address_and_a_cure(nobody):
    found = probe(nobody)
    assert found.kind is None
    assert nobody in found.problem
    assert "OPENAI_BASE_URL" in found.cure


def test_a_refused_key_is_told_from_a_missing_server():
    with scripted.server(pose="vllm", paths={"/v1/models": (401, {"error": "Unauthorized"})}) as other:
        found = probe(other.url, "wrong")
    assert (found.kind, found.cure) == ("vllm", "set OPENAI_API_KEY")
    assert "refuses the key" in found.problem


def test_a_web_page_is_not_taken_for_a_model_server():
    with scripted.server(paths={"/v1/models": (200, "hello")}) as other:
        assert "no list of models" in probe(other.url).problem


def test_a_gateway_need_not_list_its_models():
    with scripted.server(paths={"/v1/models": (404, {})}) as other:
        found = probe(other.url)
    assert (found.kind, found.models, found.problem) == ("openai", (), None)


def test_the_key_is_sent_and_the_password_in_an_address_is_not_shown(nobody):
    with scripted.server() as other:
        probe(other.url, "sesame")
        assert other.requests[-1].headers["authorization"] == "Bearer sesame"
    assert "hunter2" not in probe(nobody.replace("//", "//ana:hunter2@")).problem


def test_this_machine_is_asked_directly_whatever_the_proxy_settings(monkeypatch, nobody):
    monkeypatch.setenv("HTTP_PROXY", nobody)
    monkeypatch.setenv("ALL_PROXY", nobody)
    with scripted.server(pose="vllm") as other:
        assert probe(other.url).kind == "vllm"
