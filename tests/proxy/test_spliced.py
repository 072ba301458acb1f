"""What is added is one block at the end of a user's message, and not one other byte.

`PROXY_CASES=10000 pytest tests/proxy/test_spliced.py` is the slow proof.
"""

import hashlib
import json
import os
import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.proxy.caller import Caller
from tests.proxy.inside import found, inside
from tests.proxy.shapes import IMAGE, SIZES, blanks, chats, damaged, listed, named, padded, strings, unknown
from tests.proxy.upstream import Reply, Upstream

CASES = int(os.environ.get("PROXY_CASES", "200"))
CHAT = "/v1/chat/completions"
ODD = '"quoted" \\n back\\slash \n\t\r \x00\x01\x7f é \u2028\u2029 \U0001f600 </memory> <|im_end|> {"a": [1]}'
BEGIN, END = "\ue000", "\ue001"
# A block as JSON writes it, in a string of its own or at the end of one.
BLOCK = re.compile(
    rb'(,?\{"type":"text","text":")?\\n\\n<memory>\\n\xee\x80\x80(?:(?!\xee\x80\x81).)*\xee\x80\x81\\n</memory>(?(1)"\})',
    re.S,
)
# What a request says about itself beside its messages, as a whole: none of it may change.
FIELDS = {
    "tools": '[ {"type":"function","function":{"name":"read","parameters":{"x":1.0}}} ]',
    "tool_choice": '"auto"', "n": "1", "seed": "123456789012345678901", "logprobs": "true",
    "response_format": '{ "type" : "json_object" }',
    "stream_options": '{"include_usage" : true}', "temperature": "1e400", "metadata": '{"a":1,"a":2}',
}  # fmt: skip


def recall(asked):
    name = hashlib.sha256(asked.question.encode("utf-8", "surrogatepass")).hexdigest()
    return found(f"{BEGIN}{name} {ODD}{END}")


@pytest.fixture(scope="module")
def upstream():
    with Upstream(lambda _: Reply(body=b"{}")) as other:
        yield other


@pytest.fixture(scope="module")
def caller(upstream, tmp_path_factory):
    home = tmp_path_factory.mktemp("proxy")
    wanted = {"context": 10**8, "most_tokens": 4096, "deadline_seconds": 20}
    with inside(upstream.url, home, recall, **wanted) as proxy, Caller(proxy.port) as one:
        yield one


def ask(caller, upstream, body, headers=()):
    """What became of a request: its status, how many memories it was given, what arrived."""
    upstream.requests.clear()
    answer = caller.ask("POST", CHAT, headers, body)
    assert (answer.status, answer.body) == (200, b"{}")
    (one,) = upstream.requests
    return answer.header("x-rag-status"), int(answer.header("x-rag-memories")), one.body


def parsed(body):
    """A request as values: an object is a tuple of its members, so that nothing is lost."""
    return json.loads(body, object_pairs_hook=tuple, parse_int=str, parse_float=str)


def member(value, name):
    return dict(value).get(name)


def check_differences(before, after):
    """Only the content of a user's message may differ, and only by what comes after it; how many do."""
    assert [pair for pair in before if pair[0] != "messages"] == [
        pair for pair in after if pair[0] != "messages"
    ]
    pairs = list(zip(member(before, "messages"), member(after, "messages"), strict=True))
    changed = [(old, new) for old, new in pairs if old != new]
    for old, new in changed:
        assert member(old, "role") == "user"
        assert [pair for pair in old if pair[0] != "content"] == [
            pair for pair in new if pair[0] != "content"
        ]
        was, now = member(old, "content"), member(new, "content")
        if isinstance(was, str):
            assert now.startswith(was)
            block = now[len(was) :]
        else:
            assert now[:-1] == was
            assert now[-1][0] == ("type", "text")
            block = member(now[-1], "text")
        assert (block.startswith(f"\n\n<memory>\n{BEGIN}"), block.endswith(f"{END}\n</memory>")) == (
            True,
            True,
        )
        assert ODD in block
    return len(changed)


@st.composite
def questions(draw):
    """A user's message that asks something."""
    text = draw(strings.filter(lambda one: json.loads(one).strip()))
    blank = draw(blanks)
    part = named([('"type"', '"text"'), ('"text"', text)], blank)
    content = draw(st.sampled_from([text, text, listed([part], blank), listed([IMAGE, part, IMAGE], blank)]))
    return named(draw(st.permutations([('"role"', '"user"'), ('"content"', content), *draw(unknown)])), blank)


@st.composite
def conversations(draw):
    chat = draw(chats(most=4))
    at = draw(st.integers(0, len(chat.messages)))
    chat = replace(
        chat, messages=[*chat.messages[:at], draw(questions()), *chat.messages[at:], draw(questions())]
    )
    headers = [("x-affinity", f"session {draw(st.integers(0, 10**9))}")] if draw(st.booleans()) else []
    return chat, at + 1, headers, draw(st.sampled_from(SIZES))


@pytest.mark.timeout(7200)
def test_without_the_blocks_what_arrived_is_what_was_sent(upstream, caller):
    statuses = Counter()

    @settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(conversations(), st.integers(0, 9), st.data())
    def check(conversation, dice, data):
        chat, earlier, headers, size = conversation
        _, _, first = ask(caller, upstream, chat.body(earlier), headers)
        whole = padded(chat.body(), size)
        body = data.draw(damaged(whole)) if not dice else whole
        status, memories, arrived = ask(caller, upstream, body, headers)
        statuses[status] += 1
        assert BLOCK.sub(b"", first) == chat.body(earlier)
        assert BLOCK.sub(b"", arrived) == body
        assert len(BLOCK.findall(arrived)) == memories
        assert (memories > 0) == (status in {"injected", "replayed"})
        assert ask(caller, upstream, body, headers)[2] == arrived
        if arrived != body:
            assert check_differences(parsed(body), parsed(arrived)) == memories
        if body is whole and size == 0:
            shared = first[: len(first) - len((chat.blank + "]" + chat.after).encode())]
            assert arrived.startswith(shared)

    check()
    print(f"{sum(statuses.values())} requests: {dict(statuses)}")
    assert min(statuses["injected"], statuses["replayed"]) > 0


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_stays_as_it_was_written(upstream, caller, name):
    more = b'"%s":%s,' % (name.encode(), FIELDS[name].encode())
    body = b'{%s"messages":[{"role":"user","content":"About %s?"}]}' % (more, name.encode())
    status, memories, arrived = ask(caller, upstream, body)
    assert (status, memories) == ("injected", 1)
    assert more in arrived
    assert BLOCK.sub(b"", arrived) == body


def test_a_content_that_is_a_number_is_left_to_the_server(upstream, caller):
    body = b'{"messages":[{"role":"user","content":12345}]}'
    assert ask(caller, upstream, body) == ("skipped", 0, body)


CALL = '{"id":"c1","type":"function","function":{"name":"read","arguments":"{}"}}'
LEFT_ALONE = {
    "tool results": f'{{"role":"assistant","tool_calls":[{CALL}]}},{{"role":"tool","content":"x"}}',
    "instructions": '{"role":"system","content":"be brief"},{"role":"developer","content":"be kind"}',
    "an answer to go on with": '{"role":"assistant","content":"I think","reasoning_content":"hm"}',
    "a user who says nothing": '{"role":"user","content":" \\n"}',
    "a picture alone": f'{{"role":"user","content":[{IMAGE}]}}',
    "a user without content": '{"role":"user"},{"role":"user","content":null}',
}  # fmt: skip


@pytest.mark.parametrize("last", LEFT_ALONE)
def test_what_is_no_question_gets_nothing(upstream, caller, last):
    body = f'{{"tools":[{CALL}],"messages":[{LEFT_ALONE[last]}]}}'.encode()
    status, memories, arrived = ask(caller, upstream, body)
    assert (status, memories, arrived) == ("skipped", 0, body)


def test_of_several_user_messages_in_a_row_the_last_is_the_question(upstream, caller):
    said = [f'{{"role":"user","content":"{text}"}}' for text in ("summary", "attachment", "Which port?")]
    body = f'{{"messages":[{",".join(said)}]}}'.encode()
    status, memories, arrived = ask(caller, upstream, body)
    assert (status, memories) == ("injected", 1)
    assert [len(one["content"]) > 20 for one in json.loads(arrived)["messages"]] == [False, False, True]


def test_the_answers_of_the_other_api_are_asked_for_as_they_are(upstream, caller):
    for body in (
        b'{"model":"m","input":"Which port?","previous_response_id":"resp_1"}',
        b'{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"Which port?"}]}]}',
    ):
        upstream.requests.clear()
        answer = caller.ask("POST", "/v1/responses", body=body)
        assert answer.header("x-rag-status") is None
        assert [one.body for one in upstream.requests] == [body]
