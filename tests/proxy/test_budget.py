"""A prompt with memories still fits: what succeeds without the proxy succeeds with it.

`BUDGET_CASES=10000 pytest -s tests/proxy/test_budget.py` is the full number.
"""

import gzip
import json
import os
import zlib

import pytest
from hypothesis import HealthCheck, given, settings

from proxy.budget import Budget
from tests.proxy.alike import HEADERS
from tests.proxy.counting import CALL, CONTEXT, TOO_LONG, body, conversations, images, pair, rendered, user
from tests.proxy.upstream import Reply, chat, refused

CASES = int(os.environ.get("BUDGET_CASES", "400"))
SERVERS = {
    "a token a byte": {},
    "a token a byte, uncounted": {"tokenizes": False},
    "four bytes a token": {"bytes_a_token": 4},
    "four bytes a token, uncounted": {"bytes_a_token": 4, "tokenizes": False},
    "a long template, uncounted": {"template": 700, "tokenizes": False},
}


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("server", SERVERS)
def test_what_succeeds_directly_succeeds_through_the_proxy(tmp_path, server):
    numbers = iter(range(10**9))
    with pair(tmp_path, **SERVERS[server]) as both:

        @settings(
            max_examples=max(CASES // len(SERVERS), 1),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(conversations())
        def check(case):
            requests, both.texts, more, ascii_only = case
            session = str(next(numbers))
            # What is drawn twice shall not be one conversation.
            begun = [user(f"Case {session}."), {"role": "assistant", "content": "Fine."}]
            for messages in requests:
                sent = body(*begun, *messages, ascii_only=ascii_only, **more)
                holds_up(both, sent, session, server)

        check()
        assert both.upstream.most <= CONTEXT
        assert both.counter("recuerdo_resent_without_memory_total") == both.seen["resent"]
        assert both.seen["injected"] > 0
    print(f"{server}: {dict(both.seen)}, {both.upstream.refused} refused, most {both.upstream.most}")


def holds_up(both, sent, session, server):
    """One request directly and through the proxy."""
    direct = both.direct(sent)
    answer, chats = both.through(sent, session)
    assert answer.status == direct.status
    if answer.status == 400:  # the client is told of its own prompt
        assert answer.body == direct.body
    assert len(chats) in {1, 2}
    if len(chats) == 2:
        assert chats[1].body == sent != chats[0].body
        assert answer.header("x-rag-status") == "degraded"
        both.seen["turned"] += direct.status == 200
        asked = json.loads(sent)
        if not images(asked) and "template" not in server:  # the new turn was measured, and not tried
            assert chats[0].json["messages"][-1] == asked["messages"][-1]


@pytest.mark.parametrize("tokenizes", [False, True])
@pytest.mark.parametrize(
    "named", [("max_tokens",), ("max_completion_tokens",), ("max_tokens", "max_completion_tokens")]
)
def test_the_answer_keeps_the_room_that_the_client_names(tmp_path, named, tokenizes):
    with pair(tmp_path, tokenizes=tokenizes) as both:
        both.texts = ["the port is 6543 " * 20]
        for answer_tokens, kept in ((7000, 0), (6000, 1)):
            limits = {"max_tokens": 10} | {named[-1]: answer_tokens}
            sent = body(user("x" * 1000), **({name: limits[name] for name in named}))
            answer, chats = both.through(sent, str(answer_tokens))
            assert (answer.status, answer.header("x-rag-memories"), len(chats)) == (200, str(kept), 1)


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_refused_for_its_length_is_sent_once_more_without_memory(tmp_path, stream):
    with pair(tmp_path) as both:
        both.texts = ["the port is 6543 " * 40]
        first = user("Which port?")
        both.upstream.context = 300  # less than the proxy was told
        answer, chats = both.through(body(first, stream=stream), "s")
        assert (answer.status, b"[DONE]" in answer.body) == (200, stream)
        assert [b"6543" in one.body for one in chats] == [True, False]
        assert chats[1].body == body(first, stream=stream)
        told = [answer.header(f"x-rag-{name}") for name in ("status", "memories", "injected-tokens")]
        assert told == ["degraded", "0", "0"]
        assert both.counter("recuerdo_resent_without_memory_total") == 1
        assert both.counter('recuerdo_requests_total{status="degraded"}') == 1
        # From now on the turn goes without, so that nothing is sent twice again.
        later = [first, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
        later.append({"role": "tool", "tool_call_id": "1", "content": "6"})
        for messages in ([first], later, [*later, {"role": "assistant", "content": "6543."}, user("Sure?")]):
            both.texts = []
            answer, chats = both.through(body(*messages, stream=stream), "s")
            assert [one.body for one in chats] == [body(*messages, stream=stream)]
            assert answer.status == 200
        assert both.counter("recuerdo_resent_without_memory_total") == 1


def test_earlier_turns_that_have_become_too_much_are_given_up_together(tmp_path):
    with pair(tmp_path, bytes_a_token=4) as both:
        messages = []
        for number in range(3):
            both.texts = [f"memory {number} " + "x" * 1500]
            messages.append(user(f"Question {number}?"))
            answer, _ = both.through(body(*messages, max_tokens=100), "s")
            assert answer.header("x-rag-memories") == str(number + 1)
            messages.append({"role": "assistant", "content": "Fine."})
        room = CONTEXT * 4 - len(rendered(json.loads(body(*messages)))) - 900
        messages += [{"role": "tool", "tool_call_id": "1", "content": "y" * room}]
        sent = body(*messages, max_tokens=100)
        assert both.direct(sent).status == 200
        answer, chats = both.through(sent, "s")
        assert (answer.status, answer.header("x-rag-status"), len(chats)) == (200, "degraded", 2)
        for _ in range(2):
            answer, chats = both.through(sent, "s")
            assert (answer.status, [one.body for one in chats]) == (200, [sent])
        assert both.through(body(messages[0], max_tokens=100), "s")[1][0].body == body(
            messages[0], max_tokens=100
        )


REFUSALS = {
    "vLLM": (400, TOO_LONG.format(8192, 9000)),
    "vLLM, its answer": (400, "'max_tokens' or 'max_completion_tokens' is too large: 4096."),
    "SGLang": (400, "The input (9000 tokens) is longer than the model's context length (8192 tokens)."),
    "llama.cpp": (400, "the request exceeds the available context size"),
    "TGI": (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8192"),
    "nginx": (413, "<html>413 Request Entity Too Large</html>"),
}


@pytest.mark.parametrize("server", REFUSALS)
@pytest.mark.parametrize("sent", ["whole", "in pieces", "gzip", "deflate"])
def test_it_understands_how_servers_say_so(tmp_path, server, sent):
    status, message = REFUSALS[server]
    text = json.dumps({"error": {"type": "BadRequestError", "message": message}}).encode()
    packed = {"gzip": gzip.compress, "deflate": zlib.compress}.get(sent, bytes)(text)
    headers = [*HEADERS, *([("Content-Encoding", sent)] if sent in {"gzip", "deflate"} else [])]
    pieces = [one for at in range(0, len(packed), 20) for one in (packed[at : at + 20], 0.002)]
    refusal = Reply(status, headers, pieces if sent == "in pieces" else packed, framing="chunked")
    with pair(tmp_path) as both:
        both.texts = ["the port is 6543"]
        both.upstream.script = lambda received: refusal if b"6543" in received.body else chat("Hola.")
        answer, chats = both.through(body(user("Which port?")), "s")
        assert (answer.status, len(chats)) == (200, 2)


@pytest.mark.parametrize("status", [400, 422, 401, 403, 404, 429, 500, 503])
def test_a_refusal_for_another_reason_is_passed_on_and_nothing_sent_again(tmp_path, status):
    message = "Unknown role: wizard." if status in {400, 422} else TOO_LONG
    refusal = refused(status, message)
    with pair(tmp_path) as both:
        both.texts = ["the port is 6543"]
        both.upstream.script = lambda _: refusal
        answer, chats = both.through(body(user("Which port?")), "s")
        assert (answer.status, answer.body, len(chats)) == (status, refusal.body, 1)
        assert answer.header("x-rag-status") == "injected"
        both.upstream.script = chat("Hola.")
        assert both.through(body(user("Which port?")), "s")[0].header("x-rag-status") == "replayed"


def test_a_prompt_without_memory_that_is_too_long_is_refused_once(tmp_path):
    with pair(tmp_path) as both:
        sent = body(user("x" * CONTEXT))
        answer, chats = both.through(sent, "s")
        assert (answer.status, answer.body, len(chats)) == (400, both.direct(sent).body, 1)
        assert both.counter("recuerdo_resent_without_memory_total") == 0


def test_a_prompt_that_is_refused_both_times_is_not_sent_a_third_time(tmp_path):
    with pair(tmp_path) as both:
        both.texts = ["the port is 6543"]
        both.upstream.script = lambda received: refused(400, f"Too long: {len(received.body)} bytes.")
        sent = body(user("Which port?"))
        answer, chats = both.through(sent, "s")
        assert (answer.status, len(chats)) == (400, 2)
        assert f"Too long: {len(sent)} bytes." in answer.body.decode()


def test_what_is_least_relevant_goes_first(tmp_path):
    with pair(tmp_path, tokenizes=False) as both:
        both.texts = [name + " x" * 300 for name in ("first", "second", "third")]
        for room, kept in ((2500, 3), (1400, 2), (800, 1), (100, 0)):
            sent = body(user(f"Which of {room}?"), max_tokens=CONTEXT - 64 - room - len(body(user("?" * 15))))
            answer, chats = both.through(sent, str(room))
            assert answer.header("x-rag-memories") == str(kept)
            content = chats[0].json["messages"][0]["content"]
            assert [name in content for name in ("first", "second", "third")] == [
                at < kept for at in range(3)
            ]


def test_a_server_that_counts_too_slowly_is_not_waited_for(tmp_path):
    with pair(tmp_path, bytes_a_token=4) as both:
        both.texts = ["the port is 6543"]
        counting = both.upstream.script
        slow = Reply(headers=HEADERS, body=[0.6, b'{"count": 1}'], framing="chunked")
        both.upstream.script = lambda received: slow if received.target == "/tokenize" else counting(received)
        answer, _ = both.through(body(user("x" * (CONTEXT - 150)), max_tokens=10), "s")
        assert answer.header("x-rag-status") == "none"
        assert 250 < float(answer.header("x-rag-overhead-ms")) < 550


def test_no_block_is_more_than_a_tenth_of_the_context_nor_than_the_setting():
    assert [Budget(81_920, 2000).fits("x" * size, 10**6, 0) for size in (6000, 6003)] == [True, False]
    assert [Budget(81_920, 9999).fits("x" * size, 10**6, 0) for size in (12_288, 12_291)] == [True, False]
    assert [Budget(8192, 9999).fits("x" * size, 10**6, 0) for size in (2457, 2461)] == [True, False]
    assert [Budget(8192, 800).fits("x" * 2400, 10**6, earlier) for earlier in (3700, 3800)] == [True, False]
