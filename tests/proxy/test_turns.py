"""Which requests are a user's turn: only those are looked up in the memory."""

import json
import time
from pathlib import Path

import pytest

from proxy.body import Chat
from proxy.turns import turn_of
from tests.proxy.sayings import CHORES, INSTRUCTED, PERSONAS, QUESTIONS

CAPTURES = Path(__file__).parent / "captures"
TOOLS = [{"type": "function", "function": {"name": "read", "parameters": {}}}]
VIBE_2 = {"user-agent": "Mistral-Vibe/2.18.4", "x-affinity": "s"}
VIBE_3 = {"user-agent": "python-httpx/0.28.1", "x-affinity": "s"}
SAID = [
    {"role": "user", "content": "Why does the pump leak?"},
    {"role": "assistant", "content": "A seal is worn."},
]


def turn(*messages, tools=False, headers=None, **more):
    body = {"model": "m", "messages": list(messages)} | ({"tools": TOOLS} if tools else {}) | more
    return turn_of(Chat(json.dumps(body).encode()), headers or {})


def user(content):
    return {"role": "user", "content": content}


def system(content):
    return {"role": "system", "content": content}


# What each request of a capture asks, as far as a user asked it.
PORT = "What port does the service use? It is in config.yaml."
DISCOUNT = (
    "Thanks. Is the discount a fraction or a percentage now? Note for next time: in this repo discounts are"
)
CAPTURED = {
    "python-bug": ["The tests in test_cart.py fail.", None, None, None, DISCOUNT, "Add a guard", None, None],
    # The compaction, what goes on after it, and a tool's result are no turns.
    "compaction": ["Read big.txt, then", None, None, None, "What did app.py print before?"],
    "git-rebase": ["I committed to main by mistake.", "And if I already pushed main?"],
    "secret": ["client.py dies with KeyError.", None, None],
    # A subagent of Vibe 3 asks as a user does; nothing in its request tells them apart.
    "subagent": ["Survey this project", "List the Python files", None, None],
    "tool-error": [PORT, None, None, None],
}


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_requests_of_vibe(name):
    lines = [json.loads(line) for line in (CAPTURES / f"{name}.jsonl").read_text().splitlines()]
    assert len(lines) == len(CAPTURED[name])
    for line, asked in zip(lines, CAPTURED[name], strict=True):
        headers = {key.lower(): value for key, value in line["headers"].items()}
        found = turn_of(Chat(json.dumps(line["body"]).encode()), headers)
        if asked is None:
            assert found is None
        else:
            assert found.question.startswith(asked)
            assert line["body"]["messages"][found.index]["content"] == found.question
    assert {path.stem for path in CAPTURES.glob("*.jsonl")} == set(CAPTURED)


COMPACTION = "You are performing a CONTEXT CHECKPOINT COMPACTION. Create a handoff summary for another LLM."
SUMMARY = "<previous_user_messages>\nfix it\n</previous_user_messages>\n\n<compaction_summary>\nIt is."
SCRATCHPAD = "Scratchpad directory: /tmp/vibe-scratchpad-1\nYou can write files here.\n\nList the files."


@pytest.mark.parametrize("headers", [VIBE_2, VIBE_3])
@pytest.mark.parametrize("text", [COMPACTION, f"CRITICAL: text only.\n\n{COMPACTION}", SUMMARY, SCRATCHPAD])
def test_what_vibe_says_on_its_own_with_tools_is_no_turn(text, headers):
    assert turn(*SAID, user(text), tools=True, headers=headers) is None


@pytest.mark.parametrize("headers", [VIBE_2, VIBE_3, {"user-agent": "Mistral-Vibe/2.18.4"}])
@pytest.mark.parametrize(
    ("instructions", "text"),
    [
        ("You write short, descriptive titles for coding-agent sessions.", "user: fix it\n\nassistant: done"),
        ("You name git worktree folders for an AI coding agent.", "fix the login bug"),
        ("You are a concise turn summarizer for an AI coding agent.", "## User message\nfix it"),
        ("[unknown]", "fix the login bug"),
    ],
)
def test_vibe_without_tools_keeps_house(instructions, text, headers):
    assert turn(system(instructions), user(text), headers=headers) is None


@pytest.mark.parametrize("tools", [False, True])
@pytest.mark.parametrize("text", CHORES)
def test_what_other_clients_ask_on_their_own_account_is_no_turn(text, tools):
    assert turn(user(text), tools=tools) is None
    assert turn(system("You are a helpful assistant."), *SAID, user(text), tools=tools) is None
    assert turn(user([{"type": "text", "text": text}]), tools=tools) is None


@pytest.mark.parametrize("instructions", INSTRUCTED)
def test_instructions_for_nothing_but_a_chore_are_no_conversation(instructions):
    assert turn(system(instructions), user("How do I roll back a deployment?")) is None
    assert turn({"role": "developer", "content": instructions}, user("Generate:"), user("Which?")) is None


@pytest.mark.parametrize("tools", [False, True])
@pytest.mark.parametrize("text", QUESTIONS)
def test_questions_are_turns_with_tools_and_without(text, tools):
    assert turn(user(text), tools=tools).question == text
    found = turn(system("You are a helpful assistant."), *SAID, user(text), tools=tools)
    assert (found.index, found.question) == (3, text)


@pytest.mark.parametrize("instructions", PERSONAS)
def test_instructions_of_a_conversation_may_speak_of_titles_and_summaries(instructions):
    assert turn(system(instructions), user("Which port?")).question == "Which port?"


def test_parts_are_read_as_their_text_and_images_may_lie_between():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    parts = [{"type": "text", "text": "What is"}, image, {"type": "text", "text": "on this?"}]
    assert turn(user(parts)).question == "What is\non this?"
    assert turn(user([{"type": "input_text", "text": "Which port?"}])).question == "Which port?"
    assert turn(user([image])) is None


def test_of_three_messages_in_a_row_the_last_is_the_turn():
    found = turn(user("one"), user("two"), user("three"))
    assert (found.index, found.question) == (2, "three")


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_reminder_after_the_question_leaves_it_a_turn(role):
    found = turn(system("S"), user("Which port?"), {"role": role, "content": "Be brief."})
    assert (found.index, found.question) == (1, "Which port?")


@pytest.mark.parametrize(
    "last",
    [
        {"role": "tool", "tool_call_id": "1", "content": "ok"},
        {"role": "function", "name": "read", "content": "ok"},
        {"role": "assistant", "content": "The port is"},
        {"role": "critic", "content": "no"},
        {"role": None, "content": "no"},
        {"role": ["user"], "content": "no"},
        {"role": {"a": 1}, "content": "no"},
        {"content": "no"},
        {},
        user(None),
        {"role": "user"},
        user(""),
        user(" \n\t"),
        user([]),
        user([{"type": "text"}, {"type": "text", "text": None}, {"type": ["text"], "text": "x"}, "x", None]),
        user({"text": "x"}),
    ],
)
def test_whatever_else_comes_last_is_no_turn_and_no_error(last):
    assert turn(*SAID, last, tools=True) is None
    assert turn(last) is None


def test_nobody_said_anything():
    assert turn() is None
    assert turn(system("S"), tools=True) is None


@pytest.mark.parametrize("tools", [[], None, {}])
def test_no_tools_are_no_tools_however_they_are_sent(tools):
    assert turn(user("Which port?"), headers=VIBE_3, tools=tools) is None


@pytest.mark.parametrize(
    "text",
    [
        " " * 100_000,
        "[a_" + "b_" * 50_000,
        "### Task:" + " " * 50_000 + "<chat_history" * 4000,
        "user: " + "x\n" * 50_000,
        "you are a " + "session " * 20_000,
        "generate a title " + "(" * 100_000,
        "summarize this " + "following " * 20_000,
    ],
)
def test_no_text_takes_long_to_judge(text):
    begun = time.process_time()
    turn(system(text), user(text))
    assert time.process_time() - begun < 1
