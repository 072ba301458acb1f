import os
import signal
import time
from contextlib import ExitStack
from threading import Thread

import httpx
import pytest

from errors import PartMissing
from models import ollama
from tests import scripted
from tests.models.fake_ollama import DYING, SILENT, Installed


@pytest.fixture
def installed(tmp_path):
    return Installed(tmp_path)


def test_it_is_started_and_stopped_again(installed, tmp_path):
    with ollama.running(installed.url, installed.command, tmp_path / "data"):
        assert installed.answers()
    assert not installed.answers()
    assert len(installed.started) == 1


def test_it_is_stopped_when_the_block_raises(installed, tmp_path):
    with pytest.raises(KeyError), ollama.running(installed.url, installed.command, tmp_path):
        raise KeyError
    assert not installed.answers()


def test_one_that_was_running_is_left_alone(installed, tmp_path):
    with scripted.server(pose="ollama") as other:
        with ollama.running(other.url, installed.command, tmp_path):
            pass
        assert httpx.get(f"{other.url}/api/version", trust_env=False).is_success
    assert installed.started == []


def test_two_at_once_start_one(installed, tmp_path):
    seen = []

    def use():
        with ollama.running(installed.url, installed.command, tmp_path):
            seen.append(installed.answers())
            time.sleep(0.2)

    threads = [Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pid in installed.started[:1]:
        if installed.answers():
            os.kill(pid, signal.SIGTERM)
    assert seen == [True, True]
    assert len(installed.started) == 1


def test_who_started_it_leaves_it_to_those_who_still_use_it(installed, tmp_path):
    first, second = ExitStack(), ExitStack()
    first.enter_context(ollama.running(installed.url, installed.command, tmp_path))
    with second:
        second.enter_context(ollama.running(installed.url, installed.command, tmp_path))
        first.close()
        alive = installed.answers()
        os.kill(installed.started[0], signal.SIGTERM)
    assert alive


def test_one_that_dies_at_once_ends_the_wait_with_a_sentence(tmp_path):
    dying = Installed(tmp_path, DYING)
    began = time.monotonic()
    with (
        pytest.raises(PartMissing, match=r"ended at once with status 7.*ollama\.log"),
        ollama.running(dying.url, dying.command, tmp_path),
    ):
        pass
    assert time.monotonic() - began < 5
    assert (tmp_path / "ollama.log").read_text() == "no room on the disk\n"


def test_one_that_never_answers_is_given_up_and_stopped(tmp_path):
    mute = Installed(tmp_path, SILENT)
    with (
        pytest.raises(PartMissing, match="did not answer"),
        ollama.running(mute.url, mute.command, tmp_path, wait_seconds=0.5),
    ):
        pass
    with pytest.raises(ProcessLookupError):
        os.kill(mute.started[0], 0)


def test_where_it_is_not_installed_the_sentence_says_how_to_get_it(installed, tmp_path):
    with (
        pytest.raises(PartMissing, match=r"not installed.*ollama pull gpt-oss:20b"),
        ollama.running(installed.url, str(tmp_path / "nothing"), tmp_path),
    ):
        pass
