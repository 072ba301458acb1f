"""The embedded engine, a client's own memory and a server over HTTP do the same."""

import pytest
from qdrant_client import QdrantClient

from errors import BadInput, PartMissing, StoreFailed
from stores.conversations.embedded import Embedded
from stores.conversations.server import Server
from stores.holder import Shared
from tests.stores import wire
from tests.stores.turns import name, point

FACTS = {"schema": 1, "id": "a", "setting": "m", "embedding": {"model": "m", "dimension": 3}}
ALL = {}


@pytest.fixture(params=["embedded", "shared", "memory", "server"])
def collection(request, tmp_path):
    if request.param == "server":
        with wire.server() as qdrant:
            made = Server.at(qdrant.url, "key", "conversations")
            yield made
            made.close()
        return
    if request.param == "embedded":
        made = Embedded(tmp_path / "c")
    elif request.param == "shared":
        made = Shared(tmp_path / "c")
    else:
        made = Server(QdrantClient(":memory:"), "conversations")
    yield made
    made.close()


@pytest.fixture
def filled(collection):
    collection.create(FACTS, 3)
    collection.upsert(
        [
            point(1, [[1, 0, 0]], [7], sessions=["s1"]),
            point(2, [[0, 1, 0], [0.8, 0.6, 0]], [7, 8], sessions=["s1", "s2"]),
            point(3, [[0, 0, 1]], [8, 9], sessions=["s3"], project="/home/dev/other"),
        ]
    )
    return collection


def near(found):
    return [(one, round(score, 4)) for one, score in found]


def test_there_is_no_collection_until_one_is_made(collection):
    assert collection.facts() is None
    collection.create(FACTS, 3)
    assert collection.facts() == FACTS
    assert collection.count() == 0


def test_a_turn_is_as_near_as_its_best_window(filled):
    assert near(filled.nearest([1, 0, 0], 2, ALL)) == [(name(1), 1.0), (name(2), 0.8)]


def test_points_are_compared_window_by_window(filled):
    seen = {one["id"]: one for one in filled.compared([0, 1, 0], [name(2), name(3), name(99)])}
    assert seen.keys() == {name(2), name(3)}
    assert seen[name(2)]["cosines"] == pytest.approx([1.0, 0.6])
    assert seen[name(3)]["cosines"] == pytest.approx([0.0])
    assert seen[name(3)]["payload"]["page_content"] == "text 3"
    assert list(filled.compared([0, 1, 0], [])) == []


def test_rare_words_weigh_more(filled):
    found = dict(filled.lexical([8, 9], 3, ALL))
    assert found.keys() == {name(2), name(3)}
    assert found[name(3)] > 2 * found[name(2)]
    assert list(filled.lexical([], 3, ALL)) == []


def test_a_scope_holds_a_search_to_a_project_and_leaves_a_session_out(filled):
    def ids(scope):
        return {one for one, _ in filled.nearest([1, 1, 1], 9, scope)}

    assert ids({"project": "/home/dev/other"}) == {name(3)}
    assert ids({"exclude_session": "s2"}) == {name(1), name(3)}
    assert ids({"project": "/home/dev/shop", "exclude_session": "s1"}) == set()
    assert ids({"project": None, "exclude_session": None}) == {name(1), name(2), name(3)}
    assert set(filled.ids({"session": "s2"})) == {name(2)}
    assert {one for one, _ in filled.lexical([8], 9, {"project": "/home/dev/other"})} == {name(3)}


def test_writing_a_point_again_changes_nothing(filled):
    filled.upsert([point(1, [[1, 0, 0]], [7], sessions=["s1"])])
    assert filled.count() == 3
    assert near(filled.nearest([1, 0, 0], 1, ALL)) == [(name(1), 1.0)]


def test_labels_change_without_the_text(filled):
    filled.relabel(name(1), {"sessions": ["s1", "s9"], "project": "/home/dev/moved"})
    (found,) = filled.fetch([name(1)], False)
    assert found["payload"]["page_content"] == "text 1"
    assert found["payload"]["metadata"] == {
        "project": "/home/dev/moved", "sessions": ["s1", "s9"], "language": "english",
    }  # fmt: skip
    assert set(filled.ids({"session": "s9"})) == {name(1)}


def test_what_is_deleted_is_found_by_nothing(filled):
    filled.delete([name(2), name(99)])
    filled.purge()
    assert filled.count() == 2
    assert set(filled.ids(ALL)) == {name(1), name(3)}
    assert name(2) not in dict(filled.nearest([0, 1, 0], 9, ALL))
    assert name(2) not in dict(filled.lexical([7, 8], 9, ALL))
    assert list(filled.fetch([name(2)], False)) == []


def test_windows_come_when_they_are_asked_for(filled):
    (bare,) = filled.fetch([name(2)], False)
    (whole,) = filled.fetch([name(2)], True)
    assert bare["windows"] == []
    assert [[round(value, 4) for value in row] for row in whole["windows"]] == [[0, 1, 0], [0.8, 0.6, 0]]
    assert whole["payload"]["metadata"]["sessions"] == ["s1", "s2"]


def test_values_are_counted(filled):
    assert filled.values("project") == {"/home/dev/shop": 2, "/home/dev/other": 1}
    assert filled.values("sessions") == {"s1": 2, "s2": 1, "s3": 1}


def test_every_id_is_told_however_many(collection):
    collection.create(FACTS, 3)
    for start in range(0, 2500, 500):
        collection.upsert([point(number, [[1, 0, 0]]) for number in range(start, start + 500)])
    assert len(set(collection.ids(ALL))) == 2500


def test_making_it_anew_leaves_nothing(filled):
    filled.create(FACTS | {"id": "b"}, 3)
    assert filled.count() == 0
    assert filled.facts()["id"] == "b"


def test_the_embedded_one_outlives_its_process(tmp_path):
    first = Embedded(tmp_path / "c")
    first.create(FACTS, 3)
    first.upsert([point(1, [[1, 0, 0]], [7])])
    first.settle()
    first.close()
    again = Embedded(tmp_path / "c")
    assert (again.count(), again.facts()) == (1, FACTS)
    again.close()


def test_nothing_of_a_deleted_text_stays_on_the_disk(tmp_path):
    made = Embedded(tmp_path / "c")
    made.create(FACTS, 3)
    secret = point(1, [[1, 0, 0]])
    secret["payload"]["page_content"] = "Xq7vBuriedOak9Lm"
    made.upsert([secret, *(point(number, [[0, 1, 0]]) for number in range(2, 40))])
    assert holds(tmp_path, b"Xq7vBuriedOak9Lm")
    made.delete([name(1)])
    made.purge()
    assert not holds(tmp_path, b"Xq7vBuriedOak9Lm")
    assert made.count() == 38
    made.close()


def holds(folder, text):
    return any(text in file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_asking_an_embedded_one_that_was_never_made_names_the_command(tmp_path):
    with pytest.raises(PartMissing, match="make ingest"):
        Embedded(tmp_path / "c").count()


def test_a_damaged_shard_is_one_sentence_with_the_cure(tmp_path):
    made = Embedded(tmp_path / "c")
    made.create(FACTS, 3)
    made.close()
    (tmp_path / "c" / "shard" / "edge_config.json").write_text("{")
    for segment in (tmp_path / "c" / "shard" / "segments").iterdir():
        (segment / "segment.json").write_text("{")
    damaged = Embedded(tmp_path / "c")
    for use in (damaged.facts, damaged.count):
        with pytest.raises(StoreFailed, match="make ingest-clear"):
            use()
    damaged.create(FACTS, 3)  # the cure
    assert damaged.count() == 0
    damaged.close()


def test_damaged_facts_are_the_same_sentence(tmp_path):
    made = Embedded(tmp_path / "c")
    made.create(FACTS, 3)
    made.close()
    (tmp_path / "c" / "facts.json").write_text("{")
    damaged = Embedded(tmp_path / "c")
    for use in (damaged.facts, damaged.count):
        with pytest.raises(StoreFailed, match="make ingest-clear"):
            use()
    damaged.create(FACTS, 3)
    assert damaged.facts() == FACTS
    damaged.close()


def test_a_foreign_collection_is_refused():
    client = QdrantClient(":memory:")
    made = Server(client, "conversations")
    made.create(FACTS, 3)
    client.delete_collection("conversations")
    client.create_collection("conversations", {})
    for use in (made.facts, lambda: made.create(FACTS, 3)):
        with pytest.raises(BadInput, match="QDRANT_COLLECTION"):
            use()
    assert client.collection_exists("conversations")


@pytest.fixture
def qdrant():
    with wire.server() as state:
        yield state


@pytest.fixture
def remote(qdrant):
    made = Server.at(qdrant.url, "a-key", "conversations")
    yield made
    made.close()


def test_writes_are_waited_for_and_carry_the_key(qdrant, remote):
    remote.create(FACTS, 3)
    remote.upsert([point(number, [[1, 0, 0]]) for number in range(64)])
    remote.relabel(name(1), {"project": "/x"})
    remote.delete([name(2)])
    writes = [one for one in qdrant.requests if "/points" in one.path or "/index" in one.path]
    assert {one.query for one in writes} == {"wait=true"}
    assert {one.key for one in qdrant.requests} == {"a-key"}
    assert [len(one.body["points"]) for one in writes if one.path.endswith("/points")] == [64]
    indexed = {one.body["field_name"] for one in writes if one.path.endswith("/index")}
    assert indexed == {"metadata.project", "metadata.sessions", "metadata.language"}


def test_a_server_that_is_out_of_reach_for_a_moment_is_asked_again(qdrant, remote):
    remote.create(FACTS, 3)
    qdrant.failing += [503, 0, 500]
    remote.upsert([point(1, [[1, 0, 0]])])
    assert remote.count() == 1


def test_but_not_for_ever_and_not_when_it_refuses(qdrant, remote):
    qdrant.failing += [500] * 4
    with pytest.raises(StoreFailed, match="500"):
        remote.count()
    asked = len(qdrant.requests)
    qdrant.failing += [401]
    with pytest.raises(BadInput, match="QDRANT_API_KEY"):
        remote.count()
    assert len(qdrant.requests) == asked + 1
    with pytest.raises(PartMissing, match="make ingest"):
        remote.count()


def test_nobody_at_the_address_is_one_sentence():
    with wire.server() as gone:
        url = gone.url
    made = Server.at(url, None, "conversations")
    with pytest.raises(PartMissing, match="QDRANT_URL"):
        made.count()
    made.close()
