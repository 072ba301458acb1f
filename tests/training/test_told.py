"""Signals to end are noted, raised where that is wanted, or handed on to the training, but not for ever."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from training.told import ENDING, Told

DEAF = "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); import time; time.sleep(60)"
LEAVING = "import subprocess; print(subprocess.Popen(['/bin/sleep', '60']).pid)"


@pytest.fixture(autouse=True)
def ordinary():
    """Signals as in a terminal: in the background of a shell SIGINT is ignored."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def child(program):
    words = [sys.executable, "-IS", "-c", program]
    return subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)


def test_signals_are_noted_and_what_was_before_is_put_back():
    before = [signal.getsignal(number) for number in ENDING]
    told = Told()
    with told.listening():
        for number in ENDING:
            os.kill(os.getpid(), number)
    assert told.signals == list(ENDING)
    assert [signal.getsignal(number) for number in ENDING] == before
    with pytest.raises(KeyboardInterrupt):
        told.heeded()


def test_one_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as `nohup` begins
    told = Told()
    with told.listening():
        os.kill(os.getpid(), signal.SIGHUP)
    told.heeded()
    assert signal.signal(signal.SIGHUP, before) is signal.SIG_IGN


def test_where_it_is_wanted_one_is_raised_and_only_one():
    told = Told()
    with told.listening():
        told.breaks = True
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    assert told.signals == [signal.SIGTERM] * 2


def test_in_another_thread_there_are_none():
    told = Told()

    def listen():
        with told.listening():
            pass

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert told.signals == []


def test_a_child_gets_them_and_the_end_of_a_terminal_as_the_wish_to_end():
    for sent, got in ((signal.SIGINT, signal.SIGINT), (signal.SIGHUP, signal.SIGTERM)):
        told, sleeper = Told(), child("import time; print(flush=True); time.sleep(60)")
        sleeper.stdout.readline()
        with told.listening():
            os.kill(os.getpid(), sent)  # before it is waited for
            status = told.outlive(sleeper)
        sleeper.stdout.close()
        assert status in {-got, 1}  # Python ends in order on SIGINT


def test_the_third_ends_a_child_that_does_not_listen():
    told, deaf = Told(), child(DEAF)
    deaf.stdout.readline()

    def send():
        for _ in range(3):
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGTERM)

    sending = threading.Thread(target=send)
    with told.listening():
        sending.start()
        assert told.outlive(deaf) == -signal.SIGKILL
        sending.join()
    assert len(told.signals) == 3
    deaf.stdout.close()


def test_what_a_child_leaves_behind_ends_with_it():
    told, leaving = Told(), child(LEAVING)
    assert told.outlive(leaving) == 0
    left = Path(f"/proc/{int(leaving.stdout.readline())}/cmdline")
    leaving.stdout.close()
    until = time.monotonic() + 5
    while left.exists() and left.read_bytes() and time.monotonic() < until:
        time.sleep(0.01)
    assert not left.exists() or left.read_bytes() == b""
