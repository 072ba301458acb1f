"""What the model server has read once, it need not read again: each prompt begins with the one before.

`CONVERSATIONS=1000 pytest tests/proxy/test_prefix.py` is the slow proof.
"""

import json
import os
from contextlib import ExitStack, closing
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.proxy.talk import CALLED, RESULT, TOOLS, Telling, assistant, beginning, post, serving, status, user
from tests.proxy.upstream import Upstream

CAPTURES = Path(__file__).parent / "captures"
CONVERSATIONS = int(os.environ.get("CONVERSATIONS", "12"))


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as other:
        yield other


TOLD = st.sampled_from(["Which port?", "Why?", "find nothing", "no disk", 'é "\\ \u2028 😀', "And then?"])
STEP = st.one_of(
    st.tuples(st.just("turn"), TOLD, st.integers(0, 2)),
    st.tuples(st.sampled_from(["restart", "resume", "twin", "again"]), st.just(""), st.just(0)),
)
numbers = count()


@pytest.mark.timeout(7200)
def test_each_request_upstream_begins_with_all_messages_of_the_one_before(upstream, tmp_path_factory):
    """The property that lets the model server's prefix cache work; restarts and resumed clients included."""

    @settings(
        max_examples=CONVERSATIONS, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(st.lists(STEP, min_size=2, max_size=10), st.booleans())
    def check(steps, has_tools):
        talk = Talk(upstream, tmp_path_factory.mktemp("home"), f"talk {next(numbers)}", has_tools)
        with closing(talk):
            for kind, text, calls in steps:
                getattr(talk, kind)(text, calls)
        for earlier, later in pairwise(talk.sent):
            assert later.startswith(beginning(earlier))
        assert talk.sent == [] or talk.sent[-1].count(b"<memory>") == talk.given

    check()


class Talk:
    """A conversation as a client has it; `sent` are the bodies that came upstream for it."""

    def __init__(self, upstream, home, name, has_tools):
        self.upstream, self.home, self.name, self.has_tools = upstream, home, name, has_tools
        self.telling, self.said, self.sent = Telling(), [], []
        self.sessions = self.turns = self.given = 0
        self.failed = self.told_apart = False
        self._served = ExitStack()
        self.restart("", 0)

    def restart(self, _text, _calls):
        self._served.close()
        self.proxy = self._served.enter_context(serving(self.upstream.url, self.home, self.telling))

    def close(self):
        self._served.close()

    def ask(self):
        # Beside a session's name, a request without tools would be one of Vibe's chores.
        session = f"{self.name} {self.sessions}" if self.has_tools else None
        answer = post(self.proxy, *self.said, session=session, tools=TOOLS if self.has_tools else None)
        self.sent.append(self.upstream.requests[-1].body)
        return answer

    def turn(self, text, calls):
        self.turns += 1
        self.said.append(user(f"{text} {self.name} {self.turns}"))
        told, _ = status(self.ask())
        self.given += told == "injected"
        self.failed = told == "degraded"
        self.told_apart |= self.turns > 1 and not self.failed
        for _ in range(calls):
            self.said += [CALLED, RESULT]
            self.ask()
        self.said.append(assistant(f"Answer {self.turns}"))

    def again(self, _text, _calls):
        """A client that got no answer asks once more; one whose memory failed may get it now."""
        # Without a session's name, a first turn is a new one after some seconds.
        if self.said and not self.failed and (self.has_tools or self.turns > 1):
            answer = self.said.pop()
            self.ask()
            self.said.append(answer)
            assert self.sent[-1] == self.sent[-2]

    def resume(self, _text, _calls):
        """The client starts anew and calls its session something else."""
        if self.told_apart:  # of a first turn alone, the last who began so is taken for the one
            self.sessions += 1

    def twin(self, _text, _calls):
        """Somebody else begins with the same words."""
        if self.said and self.has_tools:
            post(self.proxy, self.said[0], session=f"{self.name} twin {len(self.sent)}")


def replayed(name, upstream, home, telling):
    """The statuses and the upstream bodies of a captured client's requests, one after another."""
    lines = [json.loads(line) for line in (CAPTURES / f"{name}.jsonl").read_text().splitlines()]
    statuses, sent = [], []
    with serving(upstream.url, home, telling) as proxy:
        for line in lines:
            more = {key: value for key, value in line["body"].items() if key != "messages"}
            answer = post(proxy, *line["body"]["messages"], headers=line["headers"], **more)
            statuses.append(status(answer))
            sent.append(upstream.requests[-1].body)
    return statuses, sent


def test_the_eight_requests_of_a_captured_conversation(upstream, tmp_path):
    statuses, sent = replayed("python-bug", upstream, tmp_path, Telling())
    turns = {0: ("injected", 1), 4: ("injected", 2), 5: ("injected", 3)}
    assert {index: statuses[index] for index in turns} == turns
    assert [*statuses[1:4], *statuses[6:]] == [("replayed", 1)] * 3 + [("replayed", 3)] * 2
    for earlier, later in pairwise(sent):
        assert later.startswith(beginning(earlier))
    assert [one["role"] for one in json.loads(sent[-1])["messages"] if "<memory>" in str(one)] == ["user"] * 3


def test_compaction_is_not_enriched_and_keeps_the_prefix_until_it_is_done(upstream, tmp_path):
    statuses, sent = replayed("compaction", upstream, tmp_path, Telling())
    # The turn, the compaction behind it, what goes on from the summary, a tool's result, the next turn.
    assert statuses == [("injected", 1), ("replayed", 1), ("skipped", 0), ("skipped", 0), ("injected", 1)]
    assert sent[1].startswith(beginning(sent[0]))
    assert sent[3].startswith(beginning(sent[2]))
    assert sent[4].startswith(beginning(sent[3]))
    last = json.loads(sent[1])["messages"][-1]["content"]
    assert "CONTEXT CHECKPOINT COMPACTION" in last
    assert "<memory>" not in last
    told = [
        one["content"] for one in json.loads(sent[4])["messages"] if "<memory>" in (one.get("content") or "")
    ]
    assert [text.split("\n")[0] for text in told] == ["What did app.py print before?"]


def test_a_client_resumed_under_another_session_keeps_its_first_turn(upstream, tmp_path):
    statuses, sent = replayed("git-rebase", upstream, tmp_path, Telling())
    assert statuses == [("injected", 1), ("injected", 2)]
    # Vibe 2 names another scratch folder in its instructions; what follows them is the same.
    first, second = (json.loads(one)["messages"] for one in sent)
    assert first[0] != second[0]
    assert first[1] == second[1]
    assert 'memory "0"' in second[1]["content"]
    assert 'memory "1"' in second[3]["content"]
