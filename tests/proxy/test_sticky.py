"""A turn gets the same bytes on every later request, also after a restart and under a new session's name."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.proxy.inside import nothing
from tests.proxy.talk import CALLED, RESULT, Telling, assistant, beginning, body, post, serving, status, user
from tests.proxy.test_sticky_file import aged
from tests.proxy.upstream import Upstream


@pytest.fixture(scope="module")
def upstream():
    with Upstream() as other:
        yield other


def test_the_same_request_gets_the_same_prompt(upstream, tmp_path):
    with serving(upstream.url, tmp_path, Telling()) as proxy:
        first, again = (post(proxy, user("Which port?"), session="s") for _ in range(2))
        assert [status(first), status(again)] == [("injected", 1), ("replayed", 1)]
        assert upstream.requests[-1].body == upstream.requests[-2].body
        assert len(proxy.asked) == 1


def test_nothing_relevant_is_remembered_too(upstream, tmp_path):
    with serving(upstream.url, tmp_path, nothing) as proxy:
        answers = [post(proxy, user("Which port?"), session="s") for _ in range(2)]
        assert [status(answer) for answer in answers] == [("none", 0), ("none", 0)]
    with serving(upstream.url, tmp_path, Telling()) as proxy:
        said = [user("Which port?"), assistant("8080."), user("And nothing else?")]
        assert status(post(proxy, *said, session="s")) == ("none", 0)
        assert len(proxy.asked) == 1
        assert upstream.requests[-1].body == body(*said)


def test_a_turn_keeps_its_block_after_a_restart_and_under_a_new_session(upstream, tmp_path):
    telling, said = Telling(), [user("Which port?")]
    with serving(upstream.url, tmp_path, telling) as proxy:
        post(proxy, *said, session="before")
        sent = upstream.requests[-1].body
    said += [assistant("8080."), user("Why?")]
    with serving(upstream.url, tmp_path, telling) as proxy:
        assert status(post(proxy, *said, session="after")) == ("injected", 2)
        assert upstream.requests[-1].body.startswith(beginning(sent))
        assert [one.question for one in proxy.asked] == ["Why?"]
        assert proxy.asked[0].given == ['id-memory "0" \\ of é']
    with serving(upstream.url, tmp_path, telling) as proxy:
        sent = upstream.requests[-1].body
        post(proxy, *said, assistant("So."), user("Nothing more: nothing"), session="last")
        assert upstream.requests[-1].body.startswith(beginning(sent))


def test_two_conversations_that_begin_alike_keep_their_own_blocks(upstream, tmp_path):
    begun = user("Which port?")
    with serving(upstream.url, tmp_path, Telling()) as proxy:
        sent = {}
        for session in ("one", "two", "three"):
            post(proxy, begun, session=session)
            sent[session] = upstream.requests[-1].body
        assert len(set(sent.values())) == 3
        for session in ("two", "one", "three"):
            assert status(post(proxy, begun, CALLED, RESULT, session=session)) == ("replayed", 1)
            assert upstream.requests[-1].body.startswith(beginning(sent[session]))
            post(proxy, begun, assistant(f"It is {session}."), user("Why?"), session=session)
            assert upstream.requests[-1].body.startswith(beginning(sent[session]))
        # Resumed under another name: its second turn tells which of the three it is.
        said = [begun, assistant("It is one."), user("Why?"), assistant("So."), user("And nothing?")]
        post(proxy, *said, session="four")
        assert upstream.requests[-1].body.startswith(beginning(sent["one"]))


def test_a_resumed_conversation_keeps_its_block_whoever_begins_alike_later(upstream, tmp_path):
    said = [user("Which port?"), assistant("8080."), user("Why?")]
    with serving(upstream.url, tmp_path, Telling()) as proxy:
        post(proxy, *said[:1], session="before")
        post(proxy, *said, session="resumed")
        sent = upstream.requests[-1].body
        post(proxy, *said[:1], session="another")
        post(proxy, *said, CALLED, RESULT, session="resumed")
        assert upstream.requests[-1].body.startswith(beginning(sent))


@pytest.mark.parametrize("session", ["resumed", None])
def test_a_later_turn_asked_again_is_the_same_one_under_any_name_and_at_any_time(upstream, tmp_path, session):
    said = [user("Which port?"), assistant("8080."), user("Why?")]
    with serving(upstream.url, tmp_path, Telling()) as proxy:
        post(proxy, *said[:1], session=session and "before")
        post(proxy, *said, session=session and "before")
        aged(tmp_path, 60)
        assert status(post(proxy, *said, session=session)) == ("replayed", 2)
        assert upstream.requests[-1].body == upstream.requests[-2].body


def test_without_a_session_the_same_words_begin_a_new_conversation_some_seconds_later(upstream, tmp_path):
    begun = user("Which port?")
    with serving(upstream.url, tmp_path, Telling()) as proxy:
        assert status(post(proxy, begun)) == ("injected", 1)
        assert status(post(proxy, begun)) == ("replayed", 1)
        aged(tmp_path, 6)
        # A later request of the conversation is not a new one, however old it is.
        assert status(post(proxy, begun, CALLED, RESULT)) == ("replayed", 1)
        assert upstream.requests[-1].body.startswith(beginning(upstream.requests[-2].body))
        assert status(post(proxy, begun)) == ("injected", 1)
        assert upstream.requests[-1].body != upstream.requests[-3].body
        assert status(post(proxy, begun)) == ("replayed", 1)
        assert upstream.requests[-1].body == upstream.requests[-2].body


@pytest.mark.parametrize("session", ["s", None])
@pytest.mark.parametrize("known", [False, True])
def test_the_same_request_many_times_at_once_gets_one_prompt(upstream, tmp_path, session, known):
    telling = Telling()

    def slow(asked):
        time.sleep(0.02)
        return telling(asked)

    with serving(upstream.url, tmp_path, slow) as proxy:
        if known:  # the same words in an earlier conversation
            post(proxy, user("Which port?"), session=session and "earlier")
            aged(tmp_path, 10)
        before = len(upstream.requests)
        with ThreadPoolExecutor(12) as pool:
            jobs = [pool.submit(post, proxy, user("Which port?"), session=session) for _ in range(12)]
            assert {job.result().headers["x-rag-memories"] for job in jobs} == {"1"}
        post(proxy, user("Which port?"), session=session)
        assert len({received.body for received in upstream.requests[before:]}) == 1
