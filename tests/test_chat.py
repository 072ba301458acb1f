"""A conversation with the real trial model: on a terminal, and through a pipe."""

import re
import signal
import sys
from pathlib import Path

import pexpect
import pytest

from tests import scripted

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "mis_documentos"
LEAVES = "When does the night train leave Portavela?"
SOURCE = r"\[1\] night-train-guide\.pdf, p\. 1 \(0\.\d\d\)"


@pytest.fixture
def terminal(environment, tmp_path):
    """Start the chat on a pseudo-terminal; what is still running at the end is ended."""
    started = []

    def start(**extra):
        child = pexpect.spawn(
            sys.executable,
            [str(ROOT / "app.py"), "--documents", str(SAMPLES)],
            cwd=str(tmp_path),
            env=environment | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"} | extra,
            encoding="utf-8",
            timeout=90,
            dimensions=(40, 150),
            # A suite that was started in the background ignores Ctrl-C, and its children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def test_a_conversation_on_a_terminal_with_the_real_trial_model(terminal):
    chat = terminal()
    chat.expect("3 documents in")
    chat.expect("»")
    chat.sendline(LEAVES)
    chat.expect("trial model")
    chat.expect("20:47")
    chat.expect(SOURCE)
    chat.expect("»")
    chat.sendline("Who won the football world cup in 1998?")
    chat.expect("The documents do not hold an answer")
    chat.expect("»")
    chat.sendline("salir")
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 0


@pytest.mark.parametrize("goodbye", ["exit", "QUIT", pexpect.EOF])
def test_every_goodbye_leaves_with_status_0(terminal, goodbye):
    chat = terminal()
    chat.expect("»")
    chat.sendeof() if goodbye is pexpect.EOF else chat.sendline(str(goodbye))
    chat.expect(pexpect.EOF)
    chat.close()
    assert chat.exitstatus == 0


def test_ctrl_c_stops_an_answer_and_not_the_conversation(terminal):
    slow = scripted.streamed("At ", *["slowly "] * 600, pause_seconds=0.1)
    with scripted.server(scripted.one_after_another(slow, scripted.streamed("At 20:47 [1]."))) as model:
        chat = terminal(OPENAI_BASE_URL=model.url)
        chat.expect("»")
        chat.sendline(LEAVES)
        chat.expect("slowly slowly")
        chat.sendintr()
        chat.expect("stopped")
        chat.expect("»")
        chat.sendline(LEAVES)
        chat.expect("At 20:47")
        chat.expect("»")
        chat.sendline("salir")
        chat.expect(pexpect.EOF)


def test_a_failed_question_does_not_end_the_conversation(terminal):
    script = scripted.one_after_another(scripted.failing(400, "too long"), scripted.streamed("At 20:47 [1]."))
    with scripted.server(script) as model:
        chat = terminal(OPENAI_BASE_URL=model.url)
        chat.expect("»")
        chat.sendline(LEAVES)
        chat.expect("too long")
        chat.expect("»")
        chat.sendline(LEAVES)
        chat.expect("At 20:47")


def test_a_pipe_answers_one_question_a_line_with_the_real_trial_model(app):
    run = app(
        "--documents", SAMPLES, stdin=f"{LEAVES}\n\nWho won the world cup in 1998?\nsalir\nnever asked\n"
    )
    assert run.returncode == 0
    assert "20:47" in run.stdout
    assert re.search(SOURCE, run.stdout)
    assert "The documents do not hold an answer" in run.stdout
    assert run.stdout.count("[1] night-train-guide.pdf") == 1
    assert "SmolLM2-135M-Instruct answers, a trial model" in run.stderr
    assert "ollama pull gpt-oss:20b" in run.stderr


def test_a_follow_up_reaches_the_model_with_what_it_leans_on(app):
    script = scripted.streamed("At 20:47 [1].")
    with scripted.server(script) as model:
        run = app(
            "--documents", SAMPLES, stdin=f"{LEAVES}\nand when does it arrive?\n", OPENAI_BASE_URL=model.url
        )
    assert run.returncode == 0
    told = [message["content"] for message in model.requests[-1].body["messages"]]
    assert told[1:3] == [LEAVES, "At 20:47 [1]."]
    assert "arrives in Nordhaven at 08:12" in told[-1]


def test_a_pipe_whose_model_is_missing_ends_with_status_3(app):
    run = app("--documents", SAMPLES, stdin=f"{LEAVES}\n", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert run.returncode == 3
    assert "127.0.0.1:9" in run.stderr
