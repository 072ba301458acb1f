"""A memory in which nothing was ever taken in costs a look at the disk, and is noticed when it fills."""

import httpx

import settings
from benchmarks import sessions
from parts import Parts
from proxied import Proxied
from proxy.recalled import Asked
from tests.proxy.inside import inside
from tests.proxy.talk import assistant, post, user
from tests.proxy.upstream import Upstream
from tests.proxy.vibe.served import environment, served

FINISHED = ("1", "Where does the avocet keep its eggs?", "The avocet lays four eggs on bare mud.")


def test_of_an_empty_memory_nothing_is_asked(tmp_path):
    with Upstream() as upstream, inside(upstream.url, tmp_path, nothing=lambda owner: True) as proxy:
        turn = post(proxy, user("Which port?"))
        result = post(proxy, user("Which port?"), assistant("8080."))
    assert (turn.headers["x-rag-status"], result.headers["x-rag-status"]) == ("none", "skipped")
    assert proxy.asked == []
    assert "nothing was ever taken in" in proxy.log.getvalue()


def test_the_proxy_as_it_is_started_looks_at_the_disk_and_asks_nobody(tmp_path, model_cache):
    with Upstream() as upstream, served(upstream.url, environment(tmp_path / "home", model_cache)) as proxy:
        assert post(proxy, user("Which port?")).headers["x-rag-status"] == "none"
        told = httpx.get(f"{proxy.url}/metrics", trust_env=False).text
    assert "recuerdo_recall_seconds_count 0.0" in told


def test_each_owner_s_memory_is_looked_at(tmp_path):
    keys = "ana:sesame-of-ana,bo:sesame-of-bo"
    with (
        Upstream() as upstream,
        inside(upstream.url, tmp_path, nothing=lambda owner: owner == "ana", keys=keys) as proxy,
    ):
        for key in ("sesame-of-ana", "sesame-of-bo"):
            post(proxy, user("Which port?"), key=key)
    assert [asked.owner for asked in proxy.asked] == ["bo"]


def test_a_memory_is_new_until_something_was_taken_in(data_dir):
    with Parts(settings.load(data_dir=data_dir)) as parts:
        proxied = Proxied(parts, [""])
        assert proxied.nothing("")
        assert proxied.nothing("ana")
        sessions.write(data_dir / "logs", 1, [FINISHED], "/home/dev/birds")
        with Parts(settings.load(data_dir=data_dir)) as others:  # as another process does
            others.memories.ingest(None)
        assert not proxied.nothing("")
        assert proxied.nothing("ana")


def test_a_collection_of_another_name_is_looked_at_by_its_name(data_dir):
    with Parts(settings.load(data_dir=data_dir, qdrant_collection="birds")) as parts:
        assert Proxied(parts, [""]).nothing("")
        sessions.write(data_dir / "logs", 1, [FINISHED], "/home/dev/birds")
        with Parts(settings.load(data_dir=data_dir, qdrant_collection="birds")) as others:
            others.memories.ingest(None)
        assert not Proxied(parts, [""]).nothing("")


def test_what_a_server_keeps_is_always_asked_for(data_dir):
    with Parts(settings.load(data_dir=data_dir, qdrant_url="http://127.0.0.1:1")) as parts:
        assert not Proxied(parts, [""]).nothing("")


def test_a_folder_that_cannot_be_read_is_left_to_whoever_needs_it(data_dir):
    (data_dir / "memory").write_text("no folder")
    with Parts(settings.load(data_dir=data_dir)) as parts:
        assert not Proxied(parts, [""]).nothing("")


def test_what_hardly_helps_is_found_and_not_given(data_dir):
    def recalled(least):
        with Parts(settings.load(data_dir=data_dir, min_confidence=least)) as parts:
            parts.memories.ingest(None)
            return Proxied(parts, [""]).recall(Asked("Which bird lays its eggs on bare mud?"))

    sessions.write(data_dir / "logs", 1, [FINISHED], "/home/dev/birds")
    given, refused = recalled(0), recalled(1)
    (one,) = given.candidates
    assert one["score"] > 0.3
    assert 0 < one["confidence"] < 1
    assert (one["kept"], len(given.kept)) == (True, 1)
    assert ([hit["kept"] for hit in refused.candidates], list(refused.kept)) == ([False], [])
