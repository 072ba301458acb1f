"""RAG_WATCH: what was finished while the proxy runs is remembered in the next conversation."""

import time
from itertools import count

from benchmarks import sessions
from proxied import WATCH_SECONDS
from tests.proxy.talk import post, user
from tests.proxy.upstream import Upstream
from tests.proxy.vibe.served import environment, served

FINISHED = ("1", "Where does the avocet keep its eggs?", "The avocet lays four eggs on bare mud.")
BEGUN = ("2", "Which tide suits the oystercatcher?", "The oystercatcher feeds at low tide.")
SECONDS = 60
numbers = count()


def given(upstream, proxy, question):
    """What the first prompt of a new conversation holds beside its question."""
    post(proxy, user(question), session=f"conversation {next(numbers)}")
    return upstream.chats[-1].json["messages"][0]["content"].removeprefix(question)


def until_given(upstream, proxy, question, text):
    end = time.monotonic() + SECONDS
    while text not in given(upstream, proxy, question):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_what_is_finished_while_the_proxy_runs_is_remembered(tmp_path, model_cache, embedder):
    ours = environment(tmp_path / "ours", model_cache, RAG_WATCH="data")
    vibe = environment(tmp_path / "vibe", model_cache, RAG_WATCH="vibe", VIBE_HOME=str(tmp_path / "home"))
    places = tmp_path / "ours" / "logs", tmp_path / "home" / "logs" / "session"
    fault = tmp_path / "ours" / "memory" / "forgotten.jsonl"  # no file: for a while one of them cannot work
    fault.mkdir(parents=True)
    with Upstream() as upstream, served(upstream.url, ours) as one, served(upstream.url, vibe) as other:
        for logs in places:
            sessions.write(logs, 1, [FINISHED], "/home/dev/birds")
            said = sessions.write(logs, 2, [BEGUN], "/home/dev/birds") / "messages.jsonl"
            said.write_text(said.read_text().splitlines(keepends=True)[0])  # asked, and not answered yet
        time.sleep(WATCH_SECONDS + 1)
        fault.rmdir()
        for proxy in (one, other):
            until_given(upstream, proxy, FINISHED[1], "bare mud")
            assert "low tide" not in given(upstream, proxy, BEGUN[1])
        for logs in places:
            sessions.write(logs, 2, [BEGUN], "/home/dev/birds")
        for proxy in (one, other):
            until_given(upstream, proxy, BEGUN[1], "low tide")
    assert not (tmp_path / "vibe" / "logs").exists()
