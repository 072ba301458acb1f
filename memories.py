"""The conversations of the settings: taken in from logs, recalled, counted, forgotten."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import settings
from errors import BadInput, NothingYet, StoreFailed
from terminal.progress import Bar

if TYPE_CHECKING:
    from langchain_core.documents import Document

    from loaders.vibe.logs import Listing
    from stores.collection import Collection, Scope
    from stores.embeddings import Embedder
    from stores.forgotten import Forgotten
    from stores.ledger import Ledger
    from stores.memory import Memory

FORGET_WAIT_SECONDS = 30.0


class Memories:
    """What was said before; what was opened is closed at the end."""

    def __init__(self, chosen: settings.Settings, embedder: Callable[[], Embedder], owner: str = "") -> None:
        self.settings, self.owner = chosen, owner
        self._embedder = embedder
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @cached_property
    def home(self) -> Path:
        """Where everything about past sessions lies, open to its user alone."""
        home = self.settings.data_dir / "memory"
        home = home / "owners" / self.owner if self.owner else home
        try:
            home.mkdir(parents=True, exist_ok=True)
            home.chmod(0o700)
        except OSError as error:
            raise StoreFailed(f"{home} cannot be written: {error.strerror}.") from error
        return home

    @property
    def name(self) -> str:
        """The collection's name; another owner's memory is another collection, so that no search can leak."""
        base = self.settings.qdrant_collection
        return f"{base}-{self.owner}" if self.owner else base

    @cached_property
    def collection(self) -> Collection:
        """Where the turns are: on the server of QDRANT_URL, else embedded, whichever process holds it."""
        chosen = self.settings
        if chosen.qdrant_url:
            from stores.conversations.server import Server

            key = chosen.qdrant_api_key.get_secret_value() if chosen.qdrant_api_key else None
            return Server.at(chosen.qdrant_url, key, self.name)
        from stores.holder import Shared

        shared = Shared(self.home / chosen.qdrant_collection)
        self._open.callback(shared.close)
        return cast("Collection", shared)  # it forwards every operation of one

    @cached_property
    def ledger(self) -> Ledger:
        """What was taken in already."""
        from stores.ledger import Ledger

        ledger = Ledger(self.home / f"{self.settings.qdrant_collection}.ledger")
        self._open.callback(ledger.close)
        return ledger

    @cached_property
    def forgotten(self) -> Forgotten:
        """What no log may bring back."""
        from stores.forgotten import Forgotten

        return Forgotten(self.home / "forgotten.jsonl")

    @cached_property
    def memory(self) -> Memory:
        """The turns, ready to search."""
        from stores.memory import Memory
        from stores.upkeep import checked, same_vectors

        facts = checked(self.collection, self.settings.embedding_model)
        embedder = self._embedder()
        same_vectors(facts, embedder)
        return Memory(self.collection, embedder)

    def ingest(self, root: Path | None, *, clear: bool = False, quiet: bool = False) -> dict[str, Any]:
        """Take in the logs below a folder (DATA_DIR without one); what is known already costs a look."""
        from ingest import Ingest, report
        from loaders.secrets.redactor import Redactor
        from stores.intake import Intake
        from stores.lock import held
        from stores.upkeep import prepare, sweep

        started = time.monotonic()
        chosen = self.settings
        listing = self._listing(root)
        with held(self.home / "lock"), nullcontext(_silent) if quiet else Bar() as bar:
            lost = prepare(self.collection, self.ledger, chosen.embedding_model, self._embedder, clear=clear)
            intake = Intake(self.collection, self.ledger, self.forgotten, self._embedder)
            Ingest(listing, self.ledger, intake, Redactor(chosen.data_dir / "models" / "rules"), bar).run()
            if lost:
                sweep(self.collection, self.ledger)
            if intake.taken.new or intake.taken.changed:
                bar("building the index", 0, 1)
                self.collection.settle()
            facts = report(listing, self.ledger, intake)
        return facts | {"seconds": round(time.monotonic() - started, 3)}

    def waiting(self, root: Path | None = None) -> dict[str, Any]:
        """How many logs a folder (DATA_DIR without one) holds, of each format, new or changed, damaged."""
        from loaders.vibe.logs import counted

        listing = self._listing(root)
        known = self.ledger.sources()
        sources = [known.get(str(log.path)) for log in listing.logs]
        return {
            "logs": len(listing.logs),
            "formats": counted(listing.logs),
            "waiting": sum(
                source is None or not source.signature.endswith(log.signature)
                for log, source in zip(listing.logs, sources, strict=True)
            ),
            "damaged": sum(bool(source and source.problems) for source in sources),
        }

    def _listing(self, root: Path | None) -> Listing:
        from loaders.vibe.logs import list_logs

        home = self.settings.data_dir
        if root is None:
            home.mkdir(parents=True, exist_ok=True)
        return list_logs(root or home, [home / name for name in settings.OURS])

    def pull(self, source: Path | None) -> dict[str, Any]:
        """Copy logs (Vibe's own without a folder) into DATA_DIR."""
        from dataclasses import asdict

        from loaders.vibe.pull import pull

        started = time.monotonic()
        logs = source or self.settings.vibe_home / "logs" / "session"
        copied = pull(logs, self.settings.data_dir / "logs")
        return asdict(copied) | {"seconds": round(time.monotonic() - started, 3)}

    def is_new(self) -> bool:
        """Whether certainly nothing was ever taken in: a look at the disk, which opens nothing."""
        try:
            return bool(self._made) and not os.path.exists(self._made)  # noqa: PTH110  # asked with every request
        except StoreFailed:  # told by whoever needs the memory
            return False

    @cached_property
    def _made(self) -> str:
        """The file that is there once something was taken in; none where a server keeps the turns."""
        from stores.conversations.embedded import FACTS

        chosen = self.settings
        return "" if chosen.qdrant_url else str(self.home / chosen.qdrant_collection / FACTS)

    def must_hold_something(self) -> None:
        """Raise NothingYet where nothing was ever taken in; nothing else is loaded for it."""
        from stores.conversations.qdrant import NOTHING

        if "memory" not in self.__dict__ and self.collection.facts() is None:
            raise NothingYet(NOTHING)

    def find(self, question: str, k: int, **scope: str | None) -> list[Document]:
        """The k most relevant turns, held to a `project` and without an `exclude_session` where given."""
        return self.memory.find(question, k, cast("Scope", scope))

    def project(self, name: str) -> str:
        """The working directory that a person means: a path is itself, a name the only one that ends so.

        Raises:
            BadInput: several known ones end so.
        """
        if name.startswith((".", "~", "/")):
            return str(Path(name).expanduser().resolve())
        known = self.collection.values("project")
        ends = [one for one in known if one == name or one.endswith(f"/{name.strip('/')}")]
        if name in known or not ends:
            return name
        if len(ends) > 1:
            raise BadInput(f"{name} may be {' or '.join(sorted(ends))}: give the whole path.")
        return ends[0]

    def stats(self) -> dict[str, Any]:
        """What is there."""
        chosen = self.settings
        facts = self.collection.facts()
        embedding = facts["embedding"] if facts else {"model": chosen.embedding_model, "dimension": None}
        projects = self.collection.values("project") if facts else {}
        return {
            "collection": self.name,
            "points": self.collection.count() if facts else 0,
            "sessions": len(self.collection.values("sessions")) if facts else 0,
            "projects": len(projects),
            "by_project": projects,
            "embedding": {"model": embedding["model"], "dim": embedding["dimension"]},
            "store": chosen.qdrant_url or f"embedded in {self.home / chosen.qdrant_collection}",
        }

    def forget(self, kind: str, value: str) -> list[str]:
        """Remove a session, a project or a turn for good; gives the ids of the turns that went."""
        from stores.lock import held
        from stores.upkeep import checked, forget

        with held(self.home / "lock", FORGET_WAIT_SECONDS):
            checked(self.collection, self.settings.embedding_model)
            what = (kind, self.project(value) if kind == "project" else value)
            return forget(self.collection, self.ledger, self.forgotten, what)

    def heed(self) -> int:
        """Remove the turns that another machine forgot; how many went."""
        from stores.lock import held
        from stores.upkeep import heed

        if self.collection.facts() is None:
            return 0
        with held(self.home / "lock", FORGET_WAIT_SECONDS):
            return len(heed(self.collection, self.ledger, self.forgotten))


def _silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
