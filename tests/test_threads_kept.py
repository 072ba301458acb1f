"""`python app.py --thread NAME`: a conversation that goes on in another process."""

import sqlite3
import stat

from tests import scripted

FIRST, SECOND = "How long is the warranty of the Aurora 300 pump?", "And its filter?"
SAID = ("Three years", " [1].")


def test_a_thread_goes_on_where_it_was_left_and_another_knows_nothing(app, pump_folder, data_dir):
    with scripted.server(scripted.streamed(*SAID), pose="vllm") as model:
        where = {"OPENAI_BASE_URL": f"{model.url}/v1"}
        words = ("--documents", pump_folder, "--thread")
        for thread, question in (("pump", FIRST), ("pump", SECOND), ("other", SECOND), ("pump", SECOND)):
            done = app(*words, thread, stdin=f"{question}\n", **where)
            assert done.returncode == 0, done.stderr
            assert done.stderr == ""
    told = [request.body["messages"] for request in model.requests if request.method == "POST"]
    earlier = [
        [one["content"] for one in messages if one["role"] in {"user", "assistant"}][:-1] for messages in told
    ]
    assert [len(one) for one in earlier][:2] == [0, 2]
    assert FIRST in earlier[1][0]
    assert earlier[1][1] == "".join(SAID)
    assert len(earlier[-1]) == 4
    other = app(*words, "new", stdin=f"{SECOND}\n", **where)
    assert other.returncode in {0, 3}
    file = data_dir / "threads.db"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with sqlite3.connect(file) as kept:
        (checkpoints,) = kept.execute("select count(*) from checkpoints where thread_id = 'pump'").fetchone()
        (size,) = kept.execute("select max(length(checkpoint)) from checkpoints").fetchone()
    assert checkpoints == 3  # one a question
    assert size < 20_000  # not what was looked up


def test_what_cannot_be_a_thread_is_one_sentence(app, pump_folder, data_dir):
    (data_dir / "threads.db").write_text("no database" * 100)
    for words, said in (
        (("--documents", pump_folder, "--thread", "../x"), "no name for a thread"),
        (("--thread", "x", "stats"), "Only a conversation"),
        (("--documents", pump_folder, "--thread", "x"), "move it away"),
    ):
        done = app(*words, stdin="Hello?\n")
        assert done.returncode in {1, 2}
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
