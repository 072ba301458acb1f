"""A proxy folder that is damaged, locked or cannot be written: it costs nobody an answer."""

import io
import json
import os
import shutil
import sqlite3
import time
from contextlib import closing

import pytest

from proxy.journal import Journal, explained
from proxy.serve import ASKED, STICKY
from tests.proxy.alike import CHAT, HEADERS, Prompt
from tests.proxy.caller import Caller
from tests.proxy.inside import found, inside
from tests.proxy.upstream import chat


def recalling(asked):
    return found(f"the answer to {asked.question} is 6543")


class Talk:
    """A conversation with tools in one session; `ask` gives the status and what the server was sent."""

    def __init__(self, upstream, proxy):
        self.upstream, self.proxy = upstream, proxy

    def ask(self, *texts, session="s"):
        messages = [{"role": "user", "content": text} for text in texts]
        body = json.dumps({"model": "m", "messages": messages, "tools": [{}]}).encode()
        with Caller(self.proxy.port) as caller:
            answer = caller.ask("POST", CHAT, [*HEADERS, ("x-affinity", session)], body)
        assert (answer.status, b"Hola." in answer.body) == (200, True)
        self.last = answer.header("x-rag-request-id")
        sent = [one["content"] for one in self.upstream.requests[-1].json["messages"]]
        return answer.header("x-rag-status"), sent

    def remembers(self):
        """Whether a turn is given something, and its next request the same."""
        first, second = self.ask("Which port?"), self.ask("Which port?")
        assert "6543" in first[1][0]
        assert (first[0], second) == ("injected", ("replayed", first[1]))

    def ready(self):
        with Caller(self.proxy.port) as caller:
            assert caller.ask("GET", "/health").status == 200
            answer = caller.ask("GET", "/ready")
        assert answer.status == 200
        return [one["reason"] for one in json.loads(answer.body)["degraded"]]

    def logged(self, count):
        end = time.monotonic() + 5
        while self.proxy.log.getvalue().count("\n") < count and time.monotonic() < end:
            time.sleep(0.01)
        return self.proxy.log.getvalue().count("\n") >= count

    def explained(self, home):
        """Whether the last request is written down."""
        end = time.monotonic() + 5
        while explained(home / ASKED, self.last) is None and time.monotonic() < end:
            time.sleep(0.01)
        return explained(home / ASKED, self.last) is not None


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A folder as a proxy leaves it that was used a while."""
    home = tmp_path_factory.mktemp("used")
    with Prompt(chat("Hola.")) as upstream, inside(upstream.url, home, recalling) as proxy:
        talk = Talk(upstream, proxy)
        for number in range(60):
            talk.ask(f"Which port is number {number}?" + "x" * 300)
        assert talk.logged(60)
    return home


def a_file(home):
    shutil.rmtree(home)
    home.write_text("not a folder")


def a_folder(name):
    def spoil(home):
        (home / name).unlink()
        (home / name).mkdir()

    return spoil


def garbage(name):
    return lambda home: (home / name).write_bytes(b"not a database" * 1000)


def cut(name):
    return lambda home: os.truncate(home / name, (home / name).stat().st_size // 2 // 4096 * 4096)


def holed(name):
    def spoil(home):
        data = (home / name).read_bytes()
        (home / name).write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))

    return spoil


SPOILT = {
    "the folder is a file": (a_file, "only until the proxy ends"),
    "sticky.db is a folder": (a_folder(STICKY), "only until the proxy ends"),
    "asked.db is a folder": (a_folder(ASKED), None),
    **{
        f"{name} is {how.__name__}": (how(name), None)
        for name in (STICKY, ASKED)
        for how in (garbage, cut, holed)
    },
}


@pytest.mark.parametrize("fault", SPOILT)
def test_whatever_is_wrong_with_the_folder_turns_are_remembered(tmp_path, used, fault):
    spoil, reason = SPOILT[fault]
    home = shutil.copytree(used, tmp_path / "proxy")
    spoil(home)
    with Prompt(chat("Hola.")) as upstream, inside(upstream.url, home, recalling) as proxy:
        talk = Talk(upstream, proxy)
        talk.ask("The first one may fail.")
        talk.remembers()
        told = talk.ready()
        assert [reason in one for one in told] == ([True] if reason else [])
        assert talk.logged(3)
        assert (home / ASKED).is_dir() or home.is_file() or talk.explained(home)
    if not reason:  # and the next one finds what it left
        with Prompt(chat("Hola.")) as upstream, inside(upstream.url, home, recalling) as proxy:
            assert Talk(upstream, proxy).ask("Which port?")[0] == "replayed"


def spoil_now(path):
    """Overwrite all pages of a file that somebody has open, as a failing disk does."""
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(0)
        file.write(b"\xa5" * size)
    for log in path.parent.glob(f"{path.name}-wal"):
        log.write_bytes(b"\xa5" * log.stat().st_size)


@pytest.mark.parametrize("name", [STICKY, ASKED])
def test_a_file_that_is_damaged_while_it_is_used_is_begun_anew(tmp_path, used, name):
    home = shutil.copytree(used, tmp_path / "proxy")
    with Prompt(chat("Hola.")) as upstream, inside(upstream.url, home, recalling) as proxy:
        talk = Talk(upstream, proxy)
        talk.ask("What is before?")
        assert talk.logged(1)
        spoil_now(home / name)
        for number in range(3):
            assert talk.ask(f"What is it at {number}?")[0] in {"injected", "degraded"}
            time.sleep(0.1)
        talk.remembers()
        assert talk.ready() == []
        talk.ask("What is after?")
        assert talk.explained(home)


def test_a_file_that_another_process_locks_costs_a_moment_and_no_answer(tmp_path):
    texts = [f"Which port is number {number}?" for number in range(15)]
    with Prompt(chat("Hola.")) as upstream, inside(upstream.url, tmp_path, recalling) as proxy:
        talk = Talk(upstream, proxy)
        for number in range(1, 16):
            _, blocks = talk.ask(*texts[:number])
        with closing(sqlite3.connect(tmp_path / STICKY, isolation_level=None)) as other:
            other.execute("update given set made = made - 7200, used = used - 7200")
            other.execute("begin exclusive")
            for session in ("s", "a client that was resumed"):
                began = time.monotonic()
                status, sent = talk.ask(*texts, "And the host?", session=session)
                assert time.monotonic() - began < 1
                assert (status, sent) == ("degraded", [*blocks, "And the host?"])
                assert "locked" in talk.ready()[0]
            other.execute("rollback")
        assert talk.ask(*texts, "And the host?")[0] == "injected"
        assert talk.ready() == []


def test_what_cannot_be_redacted_is_not_written_down_and_nothing_else_is_lost(tmp_path):
    def redact(text):
        if "secret" in text:
            raise RuntimeError("the rules are gone")
        return text

    log = io.StringIO()
    journal = Journal(tmp_path / ASKED, log, redact)
    for number, query in enumerate(["a secret", "a question"]):
        journal.note({"id": str(number), "rag": "none", "query": query, "kept": [object()]})
    journal.close()
    assert [explained(tmp_path / ASKED, str(number))["query"] for number in range(2)] == [
        "[not kept: it could not be redacted]",
        "a question",
    ]
    assert (journal.dropped, log.getvalue().count("\n")) == (0, 2)
