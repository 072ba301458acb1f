"""Copies of sessions folded, and what was forgotten or is on no list left out."""

import json

import pytest

import settings
from loaders.secrets.redactor import Redactor
from memories import Memories
from stores.forgotten import Forgotten
from tests.loaders.spoken import WRAPPER, assistant, user
from tests.training.logged import asked, keys, made, names, session, turn
from training import dataset

SHOP, GARDEN = "/home/dev/shop", "/home/dev/garden"


@pytest.fixture(scope="module")
def redactor(model_cache):
    return Redactor(model_cache / "rules")


@pytest.fixture
def rows(tmp_path, redactor):
    """The rows of the logs so far."""
    return lambda **choice: made(tmp_path / "logs", tmp_path / "rows.jsonl", redactor, **choice)[0]


@pytest.fixture
def forgotten(tmp_path):
    """A memory's list of what was forgotten."""
    return Forgotten(tmp_path / "forgotten.jsonl")


def test_a_session_that_was_resumed_twice_is_one_row(tmp_path, rows):
    for number in (1, 2, 3):
        session(tmp_path / "logs", number, [line for key in range(number) for line in turn(str(key))])
    [row] = rows()
    assert keys(row) == ["0", "1", "2"]
    assert (row["session"], row["sessions"]) == (names(1), [names(1), names(2), names(3)])


def test_sessions_that_go_on_from_one_turn_are_two_rows_of_one_root(tmp_path, rows):
    session(tmp_path / "logs", 1, [*turn("0"), *turn("1")])
    session(tmp_path / "logs", 2, [*turn("0"), *turn("2"), *turn("3")])
    one, other = rows()
    assert (keys(one), keys(other)) == (["0", "1"], ["2", "3"])
    assert one["session"] == other["session"] == names(1)
    assert other["sessions"] == [names(2)]


def test_a_question_asked_twice_with_one_answer_neither_repeats_nor_breaks_the_row(tmp_path, rows):
    again = [user("And now the next machine in that hall, please.", "a"), assistant("It is done.")]
    session(
        tmp_path / "logs",
        1,
        [*turn("0"), *again, *turn("1"), again[0] | {"message_id": "b"}, again[1], *turn("2")],
    )
    [row] = rows()
    assert [question.split()[3] for question in asked(row)] == ["0", "next", "1", "2"]


def test_a_session_compacted_twice_and_its_copy_go_on_in_one_row(tmp_path, rows):
    wrapped = [user(WRAPPER, injected=True), *turn("0")[3:]]
    begun = [user("Print v2.", "0"), *turn("0")[1:3]]
    session(tmp_path / "logs", 1, begun)
    session(tmp_path / "logs", 2, wrapped, parent_session_id=names(1))
    session(tmp_path / "logs", 3, [*wrapped, *turn("1")])
    [row] = rows()
    assert asked(row) == ["Print v2.", turn("1")[0]["content"]]
    assert row["sessions"] == [names(1), names(2), names(3)]


def test_the_unharmed_telling_of_a_turn_is_taken(tmp_path, rows):
    folder = session(tmp_path / "logs", 1, turn("0"))
    lines = (folder / "messages.jsonl").read_text().splitlines()
    (folder / "messages.jsonl").write_text("\n".join([lines[0], lines[1], lines[2][:30], lines[3]]) + "\n")
    session(tmp_path / "logs", 2, [*turn("0"), *turn("1")])
    [row] = rows()
    assert (keys(row), row["session"]) == (["0", "1"], names(1))
    assert row["messages"][3]["content"] == "stdout: ok\nreturncode: 0"


def test_a_forgotten_session_does_not_come_back_through_its_copies(tmp_path, rows, forgotten):
    session(tmp_path / "logs", 1, turn("0"))
    session(tmp_path / "logs", 2, [*turn("0"), *turn("1")])
    forgotten.add([("session", names(1))])
    [row] = rows(forgotten=forgotten.holds)
    assert (keys(row), row["sessions"]) == (["1"], [names(2)])


def test_a_forgotten_copy_takes_the_original_with_it(tmp_path, rows, forgotten):
    session(tmp_path / "logs", 1, [*turn("0"), *turn("9")])
    session(tmp_path / "logs", 2, [*turn("0"), *turn("1")])
    forgotten.add([("session", names(2))])
    [row] = rows(forgotten=forgotten.holds)
    assert (keys(row), row["sessions"]) == (["9"], [names(1)])


def test_what_only_a_forgotten_session_answered_has_no_answer(tmp_path, rows, forgotten):
    session(tmp_path / "logs", 1, [*turn("8"), user("Print v2.", "0"), *turn("0")[1:3]])
    session(tmp_path / "logs", 2, [user(WRAPPER, injected=True), *turn("0")[3:]], parent_session_id=names(1))
    forgotten.add([("session", names(2))])
    [row] = rows(forgotten=forgotten.holds)
    assert keys(row) == ["8"]


def test_a_forgotten_project_gives_no_row(tmp_path, rows, forgotten):
    session(tmp_path / "logs", 1, turn("0"), environment={"working_directory": SHOP})
    session(tmp_path / "logs", 2, turn("1"), environment={"working_directory": GARDEN})
    forgotten.add([("project", SHOP)])
    [row] = rows(forgotten=forgotten.holds)
    assert row["project"] == GARDEN


OLD = {
    "metadata": {
        "session_id": "old",
        "start_time": "2026-11-01T09:00:00",
        "environment": {"working_directory": SHOP},
    },
    "messages": [
        {name: value for name, value in line.items() if name != "message_id"}
        for line in [*turn("0"), *turn("1")]
    ],
}


def test_what_the_memory_forgot_gives_no_row_whatever_was_forgotten(tmp_path, embedder, redactor):
    """A turn by its id, in the oldest format where its name is made of its words; and a session."""
    logs, data = tmp_path / "logs", tmp_path / "data"
    session(logs, 1, [*turn("2"), *turn("3")])
    session(logs, 2, [*turn("2"), *turn("4")])
    (logs / "session_20261101_090000_old.json").write_text(json.dumps(OLD))
    with Memories(settings.Settings(data_dir=data), lambda: embedder) as memories:
        memories.ingest(logs, quiet=True)
        found = memories.find("How is machine 0 painted?", 9)
        [oldest] = [one.id for one in found if "machine 0 painted" in one.page_content]
        memories.forget("id", oldest)
        memories.forget("session", names(2))
    forgotten = Forgotten(data / "memory" / "forgotten.jsonl")
    rows, facts = made(logs, tmp_path / "rows.jsonl", redactor, forgotten=forgotten.holds)
    assert [keys(row) for row in rows] == [["1"], ["3"]]
    assert facts["left_out"] == {"forgotten": 3}


@pytest.mark.parametrize("kind", ["session", "project", "identity"])
def test_rows_that_were_made_before_are_left_out_when_something_in_them_is_forgotten(
    kind, tmp_path, rows, forgotten
):
    session(tmp_path / "logs", 1, [*turn("0")], environment={"working_directory": SHOP})
    session(tmp_path / "logs", 2, [*turn("0"), *turn("1")], environment={"working_directory": SHOP})
    session(tmp_path / "logs", 3, turn("2"), environment={"working_directory": GARDEN})
    first, _ = rows()
    value = {
        "session": names(2),
        "project": SHOP,
        "identity": next(one for one in first["turns"] if one.startswith("2.x")),
    }
    forgotten.add([(kind, value[kind])])
    data = dataset.read(tmp_path / "rows.jsonl", forgotten=forgotten.holds)
    assert [keys({"messages": row.messages}) for row in data.rows] == [["2"]]
    assert data.dropped == {"forgotten": 1}


def test_only_sessions_on_the_list_give_rows(tmp_path, redactor):
    for number in (1, 2, 3):
        session(tmp_path / "logs", number, turn(str(number)))
    allowed = frozenset({names(2), "unknown"})
    rows, facts = made(tmp_path / "logs", tmp_path / "rows.jsonl", redactor, allowed=allowed)
    assert [keys(row) for row in rows] == [["2"]]
    assert facts["left_out"] == {"not on the list": 2}
    assert facts["not_found"] == ["unknown"]


def test_a_copy_on_the_list_gives_its_own_turns_without_naming_the_original(tmp_path, rows):
    session(tmp_path / "logs", 1, [*turn("0"), *turn("7")])
    session(tmp_path / "logs", 2, [*turn("0"), *turn("1")])
    [row] = rows(allowed=frozenset({names(2)}))
    assert (keys(row), row["session"], row["sessions"]) == (["0", "1"], names(2), [names(2)])


def test_the_same_logs_give_the_same_rows_whatever_they_are_called(tmp_path, redactor):
    told = [[line for key in range(number) for line in turn(str(key))] for number in (1, 2)]
    for root, order in (("a", (1, 2)), ("b", (2, 1))):
        for number in order:
            folder = session(tmp_path / root, number, told[number - 1])
            folder.rename(folder.with_name(f"{3 - number if root == 'b' else number}-{folder.name}"))
    assert (
        made(tmp_path / "a", tmp_path / "a.jsonl", redactor)[0]
        == made(tmp_path / "b", tmp_path / "b.jsonl", redactor)[0]
    )
