"""The real Vibe through the proxy: what it tells one session, the next one of the same project knows."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path

import pytest

from tests.proxy.upstream import Received, Upstream
from tests.proxy.vibe.client import VERSIONS, Client, installed
from tests.proxy.vibe.served import environment
from tests.proxy.vibe.story import FACT, FURTHER, QUESTION, TITLE, Story, Teller, tell

# Eight processes of Vibe and of ours, one after another, on a machine that may have other work.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module", params=VERSIONS)
def story(request, tmp_path_factory, model_cache, embedder):
    if not installed(request.param):
        pytest.skip(f"Vibe {request.param} is not here: python -m tests.proxy.vibe.client")
    root = tmp_path_factory.mktemp("story")
    surroundings = environment(root / "data", model_cache)
    a, b = root / "projects" / "lagoon", root / "projects" / "harbour"
    for folder in (a, b):
        folder.mkdir(parents=True)
        (folder / "notes.txt").write_text("Nothing about databases.\n")
    told = Story(root / "vibe")
    with Upstream() as upstream:
        teller = Teller(told, upstream, lambda base: Client(request.param, told.home, base))
        tell(teller, surroundings, a, b)
    return told


def user_messages(received: Received) -> list[str]:
    return [one["content"] for one in received.json["messages"] if one["role"] == "user"]


def block(received: Received) -> str:
    """What was added to the question."""
    (content,) = (one for one in user_messages(received) if one.startswith(QUESTION))
    return content.removeprefix(QUESTION)


def conversation(received: Received) -> str:
    """The messages as they were sent, character for character, up to the end of the last one."""
    text = received.body.decode()
    start = text.index('"messages":') + len('"messages":')
    start += len(text[start:]) - len(text[start:].lstrip())
    _, end = json.JSONDecoder().raw_decode(text, start)
    return text[start : end - 1].rstrip()


def test_the_person_reads_what_the_model_says(story):
    assert story.printed == [f"Noted: {FACT}", "On port 6543.", "heron-7.", "I do not know.", "On port 6543."]


def test_an_empty_memory_adds_nothing(story):
    assert [user_messages(one) for one in story.told] == [[FACT]]


def test_the_log_of_a_session_is_taken_in(story):
    assert story.ingested["new"] == 1, story.ingested


def test_the_next_session_knows_the_fact_from_its_user_message(story):
    added = block(story.asked[0])
    assert "heron-7" in added
    assert "6543" in added
    others = [one["content"] for one in story.asked[0].json["messages"] if one["role"] != "user"]
    assert "heron-7" not in "".join(others)


def test_every_round_trip_carries_the_identical_block(story):
    assert len(story.asked) == 3
    (only,) = {block(one) for one in story.asked}
    assert "heron-7" in only


def test_each_request_begins_with_all_messages_of_the_one_before(story):
    for session in (story.asked, story.resumed, story.elsewhere):
        texts = [conversation(one) for one in session]
        assert len(texts) > 1
        assert all(later.startswith(earlier) for earlier, later in pairwise(texts))


def test_a_session_resumed_after_a_restart_carries_the_identical_block(story):
    assert {block(one) for one in story.resumed} == {block(story.asked[0])}
    assert "heron-7" in block(story.asked[0])
    assert user_messages(story.resumed[0])[-1].startswith(FURTHER)


def test_another_project_hears_nothing_of_it(story):
    assert len(story.elsewhere) == 2
    for received in story.elsewhere:
        assert b"heron-7" not in received.body
        assert block(received) == ""


def test_an_answer_that_broke_off_is_asked_again_with_the_identical_prompt(story):
    first, second = story.broken
    assert first.body == second.body
    assert "heron-7" in block(second)


def test_a_title_is_not_enriched_and_the_turn_that_it_names_is(story):
    assert "heron-7" in block(story.typed[0])
    (title,) = story.title
    assert "tools" not in title.json
    assert user_messages(title) == [TITLE]
    assert b"heron-7" not in title.body


def test_nothing_that_was_added_comes_into_the_logs(story):
    first_line = block(story.asked[0]).strip().splitlines()[0]
    assert len(first_line) > 5
    for folder, _, files in os.walk(story.home / "logs"):
        for file in files:
            assert first_line not in (Path(folder) / file).read_text(errors="replace"), file
