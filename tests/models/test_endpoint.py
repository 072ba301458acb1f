from contextlib import contextmanager

import pytest

from errors import PartMissing
from models.embedded import MODEL as TRIAL_MODEL
from models.endpoint import Wanted, open_endpoint
from tests import scripted
from tests.models.fake_ollama import Installed


@pytest.fixture
def wanted(tmp_path):
    """Settings of a machine with no Ollama and nothing at the usual port."""
    with scripted.server() as gone:
        nowhere = gone.url

    def with_settings(**settings):
        return Wanted(tmp_path, **{"local_url": nowhere, "ollama_command": "", **settings})

    return with_settings


def opened(wanted):
    with open_endpoint(wanted) as endpoint:
        return endpoint


@contextmanager
def refused(*words):
    with pytest.raises(PartMissing) as caught:
        yield
    for word in words:
        assert word in str(caught.value)


def test_a_named_address_is_used(wanted):
    with scripted.server(pose="vllm", models=("devstral", "adapter")) as other:
        endpoint = opened(wanted(base_url=other.url, api_key="sesame"))
        assert (endpoint.base_url, endpoint.model, endpoint.kind) == (f"{other.url}/v1", "devstral", "vllm")
    assert endpoint.api_key == "sesame"
    assert "sesame" not in repr(endpoint)


def test_a_named_address_that_does_not_answer_is_never_replaced(wanted):
    silent = wanted().local_url
    with scripted.server(pose="vllm") as other, refused(silent, "OPENAI_BASE_URL"):
        opened(wanted(base_url=silent, local_url=other.url))


def test_a_named_ollama_without_the_default_model_is_never_replaced(wanted):
    models = ("qwen3:8b",)
    with scripted.server(pose="ollama", models=models) as other, refused("pull gpt-oss:20b", "qwen3:8b"):
        opened(wanted(base_url=other.url))


def test_a_gateway_may_serve_more_than_it_lists(wanted):
    with scripted.server(models=("listed",)) as other:
        assert opened(wanted(base_url=other.url, model="unlisted")).model == "unlisted"


def test_a_gateway_that_lists_nothing_needs_a_named_model(wanted):
    with scripted.server(models=()) as other, refused("LLM_MODEL"):
        opened(wanted(base_url=other.url))


def test_vllm_lists_all_it_serves(wanted):
    with (
        scripted.server(pose="vllm", models=("devstral",)) as other,
        refused("mistral", "devstral", "LLM_MODEL"),
    ):
        opened(wanted(local_url=other.url, model="mistral"))


def test_the_ollama_at_the_usual_port_serves_its_default(wanted):
    with scripted.server(pose="ollama", models=("gpt-oss:20b", "qwen3:8b")) as other:
        endpoint = opened(wanted(local_url=other.url))
    assert (endpoint.model, endpoint.kind, endpoint.notice) == ("gpt-oss:20b", "ollama", None)


def test_ollama_calls_a_model_without_a_tag_latest(wanted):
    with scripted.server(pose="ollama", models=("llama3.2:latest",)) as other:
        assert opened(wanted(local_url=other.url, model="llama3.2")).model == "llama3.2"


def test_a_named_model_that_ollama_lacks_is_asked_for(wanted):
    with scripted.server(pose="ollama") as other, refused("ollama pull qwen3:8b"):
        opened(wanted(local_url=other.url, model="qwen3:8b"))


def test_where_ollama_lacks_the_default_the_trial_model_answers_and_says_so(wanted):
    with scripted.server(pose="ollama") as other:
        endpoint = opened(wanted(local_url=other.url))
    assert (endpoint.model, endpoint.kind) == (TRIAL_MODEL, "embedded")
    assert "ollama pull gpt-oss:20b" in endpoint.notice
    assert "trial model" in endpoint.notice


def test_with_nothing_there_the_trial_model_answers_and_names_a_real_one(wanted):
    with open_endpoint(wanted()) as endpoint:
        assert endpoint.kind == "embedded"
        assert "ollama pull gpt-oss:20b" in endpoint.notice
        assert "OPENAI_BASE_URL" in endpoint.notice


def test_a_named_model_is_never_replaced_by_the_trial_model(wanted):
    with refused("not installed"):
        opened(wanted(model="qwen3:8b"))


def test_the_trial_model_may_be_named(wanted):
    with scripted.server(pose="ollama", models=("gpt-oss:20b",)) as other:
        endpoint = opened(wanted(local_url=other.url, model=TRIAL_MODEL))
    assert endpoint.kind == "embedded"
    assert "trial model" in endpoint.notice


def test_an_ollama_started_in_vain_is_stopped_before_the_trial_model_answers(wanted, tmp_path):
    installed = Installed(tmp_path)
    with open_endpoint(wanted(local_url=installed.url, ollama_command=installed.command)) as endpoint:
        assert endpoint.kind == "embedded"
        assert not installed.answers()
    assert len(installed.started) == 1


def test_an_installed_ollama_serves_a_model_that_it_has(wanted, tmp_path):
    installed = Installed(tmp_path)
    named = wanted(local_url=installed.url, ollama_command=installed.command, model="qwen3:8b")
    with open_endpoint(named) as endpoint:
        assert endpoint.base_url == f"{installed.url}/v1"
        assert installed.answers()
    assert not installed.answers()
