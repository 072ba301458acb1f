"""What keeps a collection and its ledger true to each other, and to the model that embedded the turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from errors import BadInput, NothingYet
from stores.collection import Collection, Point, Scope
from stores.conversations.qdrant import NOTHING
from stores.embeddings import same_model
from stores.forgotten import Forgotten
from stores.ledger import Ledger

if TYPE_CHECKING:
    from stores.embeddings import Embedder

SCHEMA = 2
PAGE = 256
# The ledger speaks of no collection yet: whoever comes next makes it anew, even if this run is ended.
CLEARING = ""


def checked(collection: Collection, setting: str) -> dict[str, Any]:
    """What the collection was made with, if it can be used with this embedding model.

    Raises:
        NothingYet: there is no collection yet.
        BadInput: another schema or another model made it.
    """
    facts = collection.facts()
    if facts is None:
        raise NothingYet(NOTHING)
    if facts["schema"] != SCHEMA:
        raise BadInput(
            f"The conversations are of schema {facts['schema']}, and this Recuerdo reads {SCHEMA}: "
            "update it, or make them anew with `make ingest-clear`."
        )
    if facts["setting"] != setting:
        raise BadInput(
            f"The conversations were embedded with {facts['setting']}, and EMBEDDING_MODEL is {setting}: "
            "set it back, or make them anew with `make ingest-clear`."
        )
    return facts


def same_vectors(facts: dict[str, Any], embedder: Embedder) -> None:
    """Refuse a model of the same name that gives other vectors.

    Raises:
        BadInput: scores would mean nothing.
    """
    if not same_model(facts["embedding"], embedder.fingerprint()):
        raise BadInput(
            f"{embedder.model} gives other vectors than when the conversations were embedded: "
            "make them anew with `make ingest-clear`."
        )


def prepare(
    collection: Collection, ledger: Ledger, setting: str, embedder: Callable[[], Embedder], *, clear: bool
) -> bool:
    """Make the collection where there is none, and the ledger speak of it; undo what a killed run began.

    Returns whether the ledger had to begin anew over a collection that holds something (see `sweep`).
    """
    if clear:
        ledger.begin(CLEARING)
    clearing = ledger.store() == CLEARING
    if clearing or collection.facts() is None:
        made = embedder()
        embedding = made.fingerprint()
        facts = {"schema": SCHEMA, "id": uuid4().hex, "setting": setting, "embedding": embedding}
        collection.create(facts, embedding["dimension"], clearing)
    store = checked(collection, setting)["id"]
    lost = ledger.store() != store
    if lost:
        ledger.begin(store)
    if unfinished := ledger.unfinished():
        collection.delete(unfinished)
    count = collection.count()
    if count < ledger.count():
        ledger.lose(set(collection.ids({})))
    return lost and count > 0


def sweep(collection: Collection, ledger: Ledger) -> None:
    """Remove points of turns that are stored in another wording, after a ledger was lost."""
    for points in _pages(collection, {}):
        old = []
        for point in points:
            turn = ledger.turn(point["payload"]["metadata"]["identity"])
            if turn is not None and turn.point != point["id"]:
                old.append(point["id"])
        if old:
            collection.delete(old)


def forget(collection: Collection, ledger: Ledger, forgotten: Forgotten, what: tuple[str, str]) -> list[str]:
    """Remove a ("session" | "project" | "id", value) for good; gives the ids of the turns that went.

    It is remembered first, so that a run that is ended half-way forgets too much rather than too little.
    """
    kind, value = what
    one = kind == "id"
    points = collection.fetch([_id(value)], False) if one else _within(collection, _scope(kind, value))
    told = [point["payload"]["metadata"] for point in points]
    rows = [("identity", name) for turn in told for name in _names(turn)]
    forgotten.add(rows if one else [(kind, value), *rows])
    return _removed(collection, ledger, points)


def heed(collection: Collection, ledger: Ledger, forgotten: Forgotten) -> list[str]:
    """Remove what was forgotten elsewhere, as on another machine; gives the ids of the turns that went."""
    points = [
        point
        for point in _within(collection, {})
        if forgotten.holds(_names(turn := point["payload"]["metadata"]), turn["sessions"], turn["project"])
    ]
    return _removed(collection, ledger, points)


def _names(turn: Mapping[str, Any]) -> list[str]:
    return [turn[name] for name in ("identity", "alike")]


def _removed(collection: Collection, ledger: Ledger, points: Sequence[Point]) -> list[str]:
    gone = [point["id"] for point in points]
    if gone:
        collection.delete(gone)
        collection.purge()
        with ledger.writing():
            ledger.drop(point["payload"]["metadata"]["identity"] for point in points)
    return gone


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise BadInput(f"{text} is not the id of a turn: `recall` shows them.") from error


def _scope(kind: str, value: str) -> Scope:
    return Scope(session=value) if kind == "session" else Scope(project=value)


def _within(collection: Collection, scope: Scope) -> list[Point]:
    return [point for page in _pages(collection, scope) for point in page]


def _pages(collection: Collection, scope: Scope) -> Iterator[list[Point]]:
    ids = collection.ids(scope)
    for start in range(0, len(ids), PAGE):
        yield collection.fetch(ids[start : start + PAGE], False)
