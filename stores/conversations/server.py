"""A Qdrant server, through qdrant-client and langchain-qdrant."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from errors import BadInput, NothingYet, PartMissing, StoreFailed
from stores.collection import INDEXED, Payload, Point, Scored, Words
from stores.conversations.qdrant import GRAPH, MOST_VALUES, NOTHING, PAGE, WINDOWS, WORDS, Qdrant, plain

if TYPE_CHECKING:
    from langchain_core.documents import Document

TRIES, PAUSE_SECONDS, TIMEOUT_SECONDS = 4, 0.25, 30


class Server(Qdrant):
    """A collection on a Qdrant server, or in a QdrantClient's own memory."""

    def __init__(self, client: Any, name: str) -> None:
        from qdrant_client import models

        self._client, self._name, self._models = client, name, models

    @classmethod
    def at(cls, url: str, key: str | None, name: str) -> Server:
        """The collection of that name on the server at an address."""
        from qdrant_client import QdrantClient

        with warnings.catch_warnings():  # a key over plain http is the rule within one machine or one network
            warnings.simplefilter("ignore", UserWarning)
            return cls(
                QdrantClient(url, api_key=key, timeout=TIMEOUT_SECONDS, check_compatibility=False), name
            )

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def facts(self) -> dict[str, Any] | None:
        """What the collection was made with, which Qdrant keeps beside it."""
        if not self._ask("collection_exists"):
            return None
        if found := self._ask("get_collection").config.metadata:
            return dict(found)
        raise BadInput(
            f"The Qdrant collection {self._name} was not made by Recuerdo, or by a Qdrant before 1.16: "
            "name another one in QDRANT_COLLECTION."
        )

    def create(self, facts: dict[str, Any], dimension: int, anew: bool = True) -> None:
        """Make it; never removed is what is not ours, and, unless `anew`, what another host just made."""
        self.facts()
        models = self._models
        dense = models.VectorParams(
            size=dimension,
            distance=models.Distance.COSINE,
            multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
            hnsw_config=models.HnswConfigDiff(**GRAPH),
            quantization_config=models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8)
            ),
        )
        sparse = models.SparseVectorParams(modifier=models.Modifier.IDF)
        if anew:
            self._ask("delete_collection")
        try:
            self._ask("create_collection", {WINDOWS: dense}, {WORDS: sparse}, metadata=facts)
        except StoreFailed:
            if self.facts() is None:
                raise
        for field in INDEXED:
            with warnings.catch_warnings():  # the client's own memory says that it needs no index
                warnings.simplefilter("ignore", UserWarning)
                keyword = models.PayloadSchemaType.KEYWORD
                self._ask("create_payload_index", f"metadata.{field}", keyword, wait=True)

    def upsert(self, points: list[Point]) -> None:
        """Write points and wait until they are found."""
        models = self._models
        made = [
            models.PointStruct(
                id=point["id"],
                vector={WINDOWS: point["windows"], WORDS: models.SparseVector(**point["words"])},
                payload=dict(point["payload"]),
            )
            for point in points
        ]
        self._ask("upsert", made, wait=True)

    def relabel(self, point: str, metadata: dict[str, Any]) -> None:
        """Set fields of a point's metadata."""
        self._ask("set_payload", metadata, [point], key="metadata", wait=True)

    def delete(self, points: list[str]) -> None:
        """Remove points."""
        self._ask("delete", list(points), wait=True)

    def fetch(self, points: list[str], with_windows: bool) -> list[Point]:
        """By id, as LangChain's own vector store reads them; their windows only where asked for."""
        from langchain_qdrant import QdrantVectorStore

        if with_windows:
            return [plain(found) for found in self._ask("retrieve", points, True, [WINDOWS])]
        store = QdrantVectorStore(
            self._client, self._name, validate_embeddings=False, validate_collection_config=False
        )
        return [_read(document) for document in self._patiently(lambda: store.get_by_ids(points))]

    def count(self) -> int:
        """All of them."""
        return int(self._ask("count").count)

    def values(self, field: str) -> dict[str, int]:
        """From the index of the field."""
        found = self._ask("facet", f"metadata.{field}", limit=MOST_VALUES, exact=True)
        return {str(hit.value): hit.count for hit in found.hits}

    def settle(self) -> None:
        """A server builds its graphs by itself."""

    def purge(self) -> None:
        """A server clears its segments by itself, in its own time."""

    def _query(self, query: Any, using: str, limit: int, within: Any, params: Any = None) -> Scored:
        asked = {
            "using": using,
            "limit": limit,
            "query_filter": within,
            "search_params": params,
            "with_payload": False,
        }
        return [(str(hit.id), hit.score) for hit in self._ask("query_points", query, **asked).points]

    def _page(self, offset: Any, within: Any) -> tuple[list[Any], Any]:
        page, after = self._ask("scroll", within, limit=PAGE, offset=offset, with_payload=False)
        return list(page), after

    def _ask(self, operation: str, *arguments: Any, **named: Any) -> Any:
        return self._patiently(lambda: getattr(self._client, operation)(self._name, *arguments, **named))

    def _patiently(self, asking: Callable[[], Any]) -> Any:
        """Ask the server, and again a few times while it is out of reach or too busy."""
        from qdrant_client.common.client_exceptions import QdrantException
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        for attempt in range(1, TRIES + 1):
            try:
                return asking()
            except (ApiException, QdrantException) as error:
                status = error.status_code if isinstance(error, UnexpectedResponse) else None
                if attempt == TRIES or (status is not None and status < 500):
                    raise _told(status, error) from error
            time.sleep(PAUSE_SECONDS * 2**attempt)
        raise AssertionError  # the last attempt returns or raises


def _told(status: int | None, error: Exception) -> Exception:
    if status in {401, 403}:
        return BadInput("Qdrant refuses the key: set QDRANT_API_KEY to the one of the server.")
    if status == 404:
        return NothingYet(NOTHING)
    if status is not None:
        return StoreFailed(f"Qdrant answered {status}: {str(error).splitlines()[0]}")
    return PartMissing("Qdrant does not answer at QDRANT_URL: start it, or unset it to use the embedded one.")


def _read(document: Document) -> Point:
    metadata = dict(document.metadata)
    point = str(metadata.pop("_id"))
    del metadata["_collection_name"]
    payload = Payload(page_content=document.page_content, metadata=metadata)
    return Point(id=point, windows=[], words=Words(indices=[], values=[]), payload=payload)
