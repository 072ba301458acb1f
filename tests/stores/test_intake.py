"""Each turn is stored exactly once, whatever order, copies, edits and interruptions its logs come in."""

import itertools

import pytest

from errors import BadInput, PartMissing, StoreFailed
from stores.conversations.embedded import Embedded
from stores.forgotten import Forgotten
from stores.intake import Intake
from stores.ledger import Ledger, Source
from stores.upkeep import checked, forget, prepare, same_vectors, sweep
from tests.stores.turns import turn

MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class Store:
    """A collection with all that belongs to it, in one folder."""

    def __init__(self, home, embedder):
        self.collection = Embedded(home / "c")
        self.ledger = Ledger(home / "ledger")
        self.forgotten = Forgotten(home / "forgotten.jsonl")
        self.embedded = 0
        self.embedder = embedder

    def ask_embedder(self):
        self.embedded += 1
        return self.embedder

    def prepare(self, clear=False):
        return prepare(self.collection, self.ledger, MODEL, lambda: self.embedder, clear=clear)

    def take(self, *logs, **problems):
        """Take in logs, each a path and its turns."""
        lost = self.prepare()
        intake = Intake(self.collection, self.ledger, self.forgotten, self.ask_embedder)
        for path, turns in logs:
            sessions = {one.metadata["session_id"]: None for one in turns}
            intake.take(Source(path, "1", sessions, problems=problems.get(path, [])), turns)
        intake.flush()
        if lost:
            sweep(self.collection, self.ledger)
        return intake.taken

    def state(self):
        """Everything that is stored, in an order of its own."""
        return sorted(
            (
                point["id"],
                point["payload"]["page_content"],
                repr(sorted(point["payload"]["metadata"].items())),
            )
            for point in self.collection.fetch(self.collection.ids({}), False)
        )

    def texts(self):
        return sorted(text for _, text, _ in self.state())

    def close(self):
        self.collection.close()
        self.ledger.close()


@pytest.fixture
def store(tmp_path, embedder):
    made = Store(tmp_path, embedder)
    yield made
    made.close()


def test_a_second_run_embeds_and_writes_nothing(store):
    turns = [turn(number) for number in range(5)]
    assert store.take(("a", turns)).new == 5
    before, asked = store.state(), store.embedded
    again = store.take(("a", turns))
    assert (again.new, again.changed) == (0, 0)
    assert store.state() == before
    assert store.embedded == asked


def test_a_resumed_copy_adds_only_what_is_new_in_any_order(store, tmp_path, embedder):
    first = [turn(1, session="s1"), turn(2, session="s1")]
    resumed = [turn(1, session="s2"), turn(2, session="s2"), turn(3, session="s2")]
    for one in resumed:
        one.metadata["started"] = one.metadata["time"] = "2026-12-24T10:00:00Z"
    store.take(("a", first), ("b", resumed))
    others = []
    for number, order in enumerate(itertools.permutations([("a", first), ("b", resumed)])):
        other = Store(tmp_path / str(number), embedder)
        for log in order:
            other.take(log)
        others.append(other.state())
        other.close()
    assert store.collection.count() == 3
    assert others == [store.state()] * 2
    told = {
        point["payload"]["metadata"]["identity"]: point["payload"]["metadata"]
        for point in store.collection.fetch(store.collection.ids({}), False)
    }
    assert (told["t1"]["session_id"], told["t1"]["sessions"]) == ("s1", ["s1", "s2"])
    assert told["t1"]["time"].startswith("2026-11")
    assert told["t3"]["sessions"] == ["s2"]


def test_an_edited_turn_takes_the_place_of_its_old_wording(store):
    store.take(("a", [turn(1, "User: Which port?\nAssistant: 80, I think, but let me look it up.")]))
    taken = store.take(("a", [turn(1, "User: Which port?\nAssistant: 8080.")]))
    assert (taken.new, taken.changed) == (0, 1)
    assert store.texts() == ["User: Which port?\nAssistant: 8080."]


def test_a_copy_with_less_does_not_shorten_a_turn(store):
    long, short = "User: Which port?\nAssistant: 8080, see config.", "User: Which port?\nAssistant: 8080."
    for order in (("a", long), ("b", short)), (("b", short), ("a", long)):
        store.prepare(clear=True)
        for path, text in order:
            store.take((path, [turn(1, text)]))
        assert store.texts() == [long]


def test_a_turn_that_its_only_log_no_longer_tells_goes_but_not_when_the_log_is_damaged(store):
    turns = [turn(1), turn(2)]
    store.take(("a", turns), ("b", [turn(2)]))
    store.take(("a", []), a=["cut off"])
    assert store.collection.count() == 2
    store.take(("a", turns))
    store.take(("a", []))
    assert [text for text in store.texts() if "number 2" in text] == store.texts()


def test_a_turn_that_moves_from_one_log_to_another_stays(store):
    store.take(("a", [turn(1), turn(2)]))
    store.take(("a", [turn(1)]), ("b", [turn(2)]))
    assert store.collection.count() == store.ledger.count() == 2


def test_the_log_of_another_version_of_the_same_session_is_the_same_turn(store):
    old = turn(1, identity="1.x told", format="1.x")
    new = turn(1, identity="3.x told", format="3.x")
    store.take(("a", [old]), ("b", [new]))
    assert store.collection.count() == 1
    store.take(("c", [turn(1, identity="2.x told", format="2.x")]))
    assert store.collection.count() == 1


def test_a_lost_ledger_costs_no_embedding_and_doubles_nothing(store, tmp_path, embedder):
    store.take(("a", [turn(1, "User: Which port?\nAssistant: 80."), turn(2)]))
    before, asked = store.state(), store.embedded
    store.ledger.close()
    for file in tmp_path.glob("ledger*"):
        file.write_bytes(b"damaged" * 1000)
    store.ledger = Ledger(tmp_path / "ledger")
    store.take(("a", [turn(1, "User: Which port?\nAssistant: 80."), turn(2)]))
    assert (store.state(), store.embedded) == (before, asked)
    store.ledger.close()
    (tmp_path / "ledger").unlink()
    store.ledger = Ledger(tmp_path / "ledger")
    store.take(("a", [turn(1, "User: Which port?\nAssistant: 8080, it was changed."), turn(2)]))
    assert store.collection.count() == 2
    assert any("8080" in text for text in store.texts())


def test_lost_points_are_taken_in_again(store):
    store.take(("a", [turn(1), turn(2)]))
    before = store.state()
    store.collection.delete([before[0][0]])
    store.prepare()
    assert store.ledger.signatures() == {}
    store.take(("a", [turn(1), turn(2)]))
    assert store.state() == before


def test_what_a_killed_run_began_is_undone(store):
    store.take(("a", [turn(1)]))
    half = turn(2, "User: And then?\nAssistant: half an answer")
    written = store.collection.fetch(store.collection.ids({}), True)[0]
    written["id"] = "00000000-0000-5000-8000-000000000002"
    written["payload"]["page_content"] = half.page_content
    store.ledger.announce([written["id"]])
    store.collection.upsert([written])
    store.prepare()
    assert store.collection.count() == 1
    store.prepare()
    assert store.collection.count() == 1


@pytest.mark.parametrize("kind", ["session", "project", "id"])
def test_what_is_forgotten_stays_forgotten(store, tmp_path, kind):
    kept = turn(9, session="s9", project="/home/dev/kept")
    turns = [turn(1, session="s1"), turn(2, session="s1")]
    copies = [turn(1, session="s2"), turn(2, session="s2")]
    store.take(("a", turns), ("b", copies), ("c", [kept]))
    ids = {text: one for one, text, _ in store.state()}
    value = {"session": "s1", "project": "/home/dev/shop", "id": ids[turns[0].page_content]}[kind]
    gone = forget(store.collection, store.ledger, store.forgotten, (kind, value))
    left = store.texts()
    assert len(gone) == (1 if kind == "id" else 2)
    assert turns[0].page_content not in left
    assert kept.page_content in left
    store.forgotten = Forgotten(tmp_path / "forgotten.jsonl")
    store.prepare(clear=True)
    store.take(("a", turns), ("b", copies), ("c", [kept]))
    assert store.texts() == left
    assert forget(store.collection, store.ledger, store.forgotten, (kind, value)) == []


def test_what_is_forgotten_leaves_the_disk_too(store, tmp_path):
    mark = b"Xq7vBuriedOak9Lm"
    store.take(("a", [turn(1, f"User: where is it?\nAssistant: {mark.decode()}"), turn(2)]))
    assert any(mark in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    forget(store.collection, store.ledger, store.forgotten, ("session", "s1"))
    assert not any(mark in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert store.ledger.unfinished() == []


def test_a_line_that_a_crash_cut_off_costs_no_other(tmp_path):
    file = tmp_path / "forgotten.jsonl"
    Forgotten(file).add([("session", "s1")])
    with file.open("a") as stream:
        stream.write('{"project": "/ho')
    Forgotten(file).add([("project", "/home/dev/shop")])
    again = Forgotten(file)
    assert again.holds(["t"], ["s1"], None)
    assert again.holds(["t"], [], "/home/dev/shop")
    assert not again.holds(["t"], ["s2"], None)


def test_another_model_is_refused_with_the_cure(store, embedder):
    with pytest.raises(PartMissing, match="make ingest"):
        checked(store.collection, MODEL)
    store.take(("a", [turn(1)]))
    facts = checked(store.collection, MODEL)
    same_vectors(facts, embedder)
    with pytest.raises(BadInput, match="ingest-clear"):
        checked(store.collection, "another/model")
    other = facts["embedding"] | {"probe": [-value for value in facts["embedding"]["probe"]]}
    with pytest.raises(BadInput, match="other vectors"):
        same_vectors(facts | {"embedding": other}, embedder)
    store.collection.create(facts | {"schema": 99}, 384)
    with pytest.raises(BadInput, match="schema 99"):
        store.prepare()


class Breaking:
    """A collection that fails at one operation, as a full disk or a lost server does."""

    def __init__(self, collection, operation):
        self._collection, self._operation = collection, operation

    def __getattr__(self, name):
        if name == self._operation:
            raise StoreFailed("no space left")
        return getattr(self._collection, name)


def test_what_could_not_be_written_is_not_noted_and_goes_in_the_next_time(store):
    store.prepare()
    broken = Intake(Breaking(store.collection, "upsert"), store.ledger, store.forgotten, store.ask_embedder)
    broken.take(Source("a", "1"), [turn(1), turn(2)])
    with pytest.raises(StoreFailed):
        broken.flush()
    assert (store.ledger.count(), store.ledger.signatures()) == (0, {})
    assert len(store.ledger.unfinished()) == 2
    assert store.take(("a", [turn(1), turn(2)])).new == 2
    assert store.ledger.unfinished() == []
    assert store.collection.count() == 2


def test_an_old_wording_that_could_not_be_removed_is_removed_the_next_time(store):
    old, new = "User: Which port?\nAssistant: 80.", "User: Which port?\nAssistant: 8080."
    store.take(("a", [turn(1, old)]))
    broken = Intake(Breaking(store.collection, "delete"), store.ledger, store.forgotten, store.ask_embedder)
    broken.take(Source("a", "2"), [turn(1, new)])
    with pytest.raises(StoreFailed):
        broken.flush()
    store.take(("a", [turn(1, new)]))
    assert store.texts() == [new]


def test_forgetting_that_broke_off_is_remembered_all_the_same(store):
    store.take(("a", [turn(1)]))
    with pytest.raises(StoreFailed):
        forget(Breaking(store.collection, "delete"), store.ledger, store.forgotten, ("session", "s1"))
    store.prepare(clear=True)
    assert store.take(("a", [turn(1)])).new == 0


def test_a_cleared_store_that_was_ended_half_way_is_made_anew(store):
    store.take(("a", [turn(1)]), ("gone", [turn(2)]))
    broken = Breaking(store.collection, "create")
    with pytest.raises(StoreFailed):
        prepare(broken, store.ledger, MODEL, lambda: store.embedder, clear=True)
    assert store.take(("a", [turn(1)])).new == 1
    assert (store.collection.count(), store.ledger.count()) == (1, 1)
