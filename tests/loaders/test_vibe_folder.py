import pytest

from loaders.vibe.logs import list_logs, read_log
from tests.loaders.folders import CHILD, ID, LOOK, SEEN, write
from tests.loaders.spoken import WRAPPER, assistant, user
from tests.loaders.told import said, tell


def test_a_question_and_its_last_answer_make_a_turn(tmp_path):
    write(
        tmp_path,
        [user("Why?", "u1"), LOOK, SEEN, assistant("Because."), user("And?", "u2"), assistant("So.")],
    )
    found, _, _ = tell(tmp_path)
    assert [document.page_content for document in found] == [
        "User: Why?\nAssistant: Because.\nActions: read a.py",
        "User: And?\nAssistant: So.",
    ]
    assert [document.metadata["identity"] for document in found] == ["2.x\0u1", "2.x\0u2"]


@pytest.mark.parametrize(
    "rest",
    [
        [],
        [LOOK],
        [LOOK, SEEN],
        [assistant("First thought."), SEEN],
        [assistant("First thought."), LOOK],
        [assistant("First thought."), LOOK, SEEN, assistant(None)],
        [assistant("   ")],
    ],
)
def test_without_a_final_answer_a_turn_is_incomplete_and_borrows_none(tmp_path, rest):
    write(tmp_path, [user("Why?", "u1"), *rest, user("And?", "u2"), assistant("So.")])
    found, left_out, problems = tell(tmp_path)
    assert [document.metadata["turn"] for document in found] == ["u2"]
    assert (left_out, problems) == ({"incomplete": 1}, [])


def test_injected_messages_and_summaries_ask_nothing_and_the_turn_goes_on(tmp_path):
    reminder = user("<system>Be brief.</system>", "i1", injected=True)
    summary = {"role": "user", "content": WRAPPER, "message_id": "w1"}
    write(tmp_path, [user("Why?", "u1"), LOOK, reminder, SEEN, summary, assistant("Because.")])
    assert said(tmp_path) == [("Why?", "Because.")]


def test_a_question_about_a_summary_is_a_question(tmp_path):
    write(tmp_path, [user("What does <compaction_summary> mean?", "u1"), assistant("A summary.")])
    assert said(tmp_path) == [("What does <compaction_summary> mean?", "A summary.")]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (user("expanded @a.py: …", user_display_content="What is in @a.py?"), "What is in @a.py?"),
        (user("plain", user_display_content=""), "plain"),
        (user("plain", user_display_content=None), "plain"),
        (
            user(
                [
                    {"type": "text", "text": "one"},
                    {"type": "image_url", "image_url": {}},
                    {"type": "text", "text": "two"},
                ]
            ),
            "one\ntwo",
        ),
        (user("half a pair \ud83d here"), "half a pair \ufffd here"),
    ],
)
def test_the_question_is_what_the_user_saw(tmp_path, message, text):
    write(tmp_path, [message, assistant("Yes.")])
    assert said(tmp_path) == [(text, "Yes.")]


@pytest.mark.parametrize(
    "message", [{"role": "user"}, user(None), user([{"type": "image_url"}]), user("  \n")]
)
def test_a_message_without_text_is_no_memory_but_still_ends_the_turn_before(tmp_path, message):
    write(tmp_path, [user("Why?", "u1"), message, assistant("A cat.")])
    found, left_out, _ = tell(tmp_path)
    assert found == []
    assert left_out == {"incomplete": 1, "empty": 1}


def test_resumed_copies_come_once_and_belong_to_the_first_session(tmp_path):
    history = [user("Why?", "u1"), assistant("Because.")]
    write(tmp_path, history)
    write(
        tmp_path,
        [*history, user("And?", "u2"), assistant("So.")],
        CHILD,
        start_time="2026-11-23T01:25:33+00:00",
    )
    found, left_out, _ = tell(tmp_path)
    assert [(document.metadata["turn"], document.metadata["session_id"]) for document in found] == [
        ("u1", ID),
        ("u2", CHILD),
    ]
    assert left_out == {}


def test_a_turn_that_a_resumed_copy_has_whole_is_complete(tmp_path):
    write(tmp_path, [user("Why?", "u1"), LOOK])
    write(tmp_path, [user("Why?", "u1"), LOOK, SEEN, assistant("Because.")], CHILD)
    assert tell(tmp_path)[1] == {}
    assert said(tmp_path) == [("Why?", "Because.")]


def test_messages_without_an_id_are_told_apart_by_what_they_say(tmp_path):
    twice = [user("Run it."), assistant("Done."), user("Run it."), assistant("Done.")]
    write(tmp_path, twice)
    write(tmp_path, twice, CHILD)
    identities = [document.metadata["identity"] for document in tell(tmp_path)[0]]
    assert len(identities) == 2
    assert [identity.split("\0")[2] for identity in identities] == ["1", "2"]


def test_without_meta_json_the_turns_are_there_and_a_problem_says_what_is_not(tmp_path):
    (write(tmp_path, [user("Why?", "u1"), assistant("Because.")]) / "meta.json").unlink()
    [document], _, problems = tell(tmp_path)
    assert document.metadata["session_id"] == ID[:8]
    assert (document.metadata["project"], document.metadata["time"]) == (None, None)
    assert problems == [
        (f"session_20261122_012533_{ID[:8]}", "meta.json is missing, so the project is not known")
    ]


def test_of_a_damaged_meta_json_what_can_be_read_is_kept(tmp_path):
    meta = write(tmp_path, [user("Why?", "u1"), assistant("Because.")]) / "meta.json"
    meta.write_text(meta.read_text()[:-60])
    [document], _, problems = tell(tmp_path)
    assert document.metadata["session_id"] == ID
    assert document.metadata["project"] == "/home/dev/shop"
    assert [reason for _, reason in problems] == ["meta.json is damaged; what could be read of it was kept"]


def test_a_renamed_folder_without_meta_json_is_named_by_its_first_message(tmp_path):
    folder = write(tmp_path, [user("Why?", "u1"), assistant("Because.")])
    (folder / "meta.json").unlink()
    folder.rename(tmp_path / "kept")
    assert tell(tmp_path)[0][0].metadata["session_id"] == "u1"


def test_the_session_of_a_subagent_is_left_out(tmp_path):
    task = "Scratchpad directory: /tmp/x\n\nList the files."
    write(tmp_path, [user(task, "u1"), assistant("a.py"), user("More.", "u2"), assistant("b.py")])
    found, left_out, _ = tell(tmp_path)
    assert (found, left_out) == ([], {"subagent": 2})


def test_a_log_that_vanishes_before_it_is_read_is_a_problem(tmp_path):
    folder = write(tmp_path, [user("Why?", "u1"), assistant("Because.")])
    [log] = list_logs(tmp_path).logs
    (folder / "messages.jsonl").unlink()
    reading = read_log(log)
    assert (reading.sessions, reading.problems) == ([], ["it was there, and is not any more"])
