"""The parts put together: what a command may need, made when it is first asked for. It knows every room."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property, partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import settings
from errors import Locked, PartMissing, RecuerdoError
from terminal import chat, show
from terminal.progress import Bar

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from langchain_core.language_models import BaseChatModel
    from langgraph.graph.state import CompiledStateGraph

    from graphs.recall import Recalling
    from loaders.folder import Listing, Source
    from loaders.reading import Reader, Reading
    from models.endpoint import Endpoint, Wanted
    from stores.documents import Documents
    from stores.embeddings import Embedder
    from stores.files import Report
    from stores.index import Index

WAIT_SECONDS = 600.0


class Parts:
    """Everything that a command may need; what was opened is closed at the end. For one thread at a time."""

    def __init__(self, chosen: settings.Settings) -> None:
        self.settings = chosen
        self._open = ExitStack()

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @cached_property
    def embedder(self) -> Embedder:
        """The embedding model that the settings name."""
        from stores.embeddings import load_embedder

        chosen = self.settings
        return load_embedder(chosen.embedding_model, chosen.data_dir / "models", chosen.threads)

    @cached_property
    def reader(self) -> Reader:
        """Reads files in a child process."""
        from loaders.reading import Reader

        chosen = self.settings
        reader = Reader(chosen.reader_seconds, chosen.reader_memory_mb, chosen.max_file_mb)
        return self._open.enter_context(reader)

    def read(self, source: Source) -> Reading:
        """A file's documents, its problem, or both; the child process starts with the first file."""
        return self.reader.read(source)

    @cached_property
    def listing(self) -> Listing:
        """The files of the documents folder, as they are now."""
        from loaders.folder import list_folder

        return list_folder(self.settings.documents_dir)

    @cached_property
    def index(self) -> Index:
        """The index of the documents folder, which has a place of its own under DATA_DIR."""
        from loaders import folder, passages, reading
        from stores.index import Index
        from stores.versions import Versions

        chosen = self.settings
        home = chosen.documents_dir.resolve()
        place = (
            f"{home.name or 'root'}-{sha256(str(home).encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
        )
        return Index(
            versions=Versions(chosen.data_dir / "documents" / place),
            recipe={
                "size": chosen.chunk_size,
                "overlap": chosen.chunk_overlap,
                "reader": reading.READER,
                "splitter": passages.SPLITTER,
                "embedding": chosen.embedding_model,
            },
            read=self.read,
            split=partial(passages.split, size=chosen.chunk_size, overlap=chosen.chunk_overlap),
            digest=folder.digest,
        )

    def refresh(self, *, rebuild: bool = False, wait_seconds: float = 0) -> Report:
        """Bring the index up to date, whoever else wants to."""
        with self.index.versions.writing(wait_seconds), Bar() as bar:
            report = self.index.update(self.listing.sources, self.embedder, bar, rebuild=rebuild)
        report.files += len(self.listing.problems)
        report.problems = [*self.listing.problems, *report.problems]
        return report

    def freshen(self) -> None:
        """Bring the index up to date where it is not; while another process does so, the old one serves."""
        if self.index.is_current(self.listing.sources):
            return
        try:
            report = self.refresh()
        except Locked as busy:
            if self.index.versions.newest() is not None:
                show.note(f"{busy} Until then the index before it answers.")
                return
            show.note(str(busy))
            report = self.refresh(wait_seconds=WAIT_SECONDS)
        for problem in report.problems:
            show.note(f"not read: {show.printable(problem['file'])}: {problem['reason']}")

    @cached_property
    def documents(self) -> Documents:
        """The passages, ready to search."""
        self.freshen()
        found = self.index.open(self.embedder)
        if found is None:
            show.note("The index was made by an embedding model that gives other vectors: it is made anew.")
            self.refresh(wait_seconds=WAIT_SECONDS)
            found = self.index.open(self.embedder)
        if found is None:
            raise PartMissing("The index cannot be read: run `python app.py index --rebuild`.")
        return found

    def find(self, question: str, k: int) -> list[Document]:
        """The k most relevant passages of the documents."""
        return self.documents.find(question, k)

    @property
    def wanted(self) -> Wanted:
        """What the settings ask of the model endpoint."""
        from models.endpoint import Wanted

        chosen = self.settings
        key = chosen.openai_api_key.get_secret_value() if chosen.openai_api_key else None
        return Wanted(chosen.data_dir, chosen.openai_base_url, key, chosen.llm_model, threads=chosen.threads)

    @cached_property
    def endpoint(self) -> Endpoint:
        """The model that answers; whoever shows the first answer shows its notice."""
        from models.endpoint import open_endpoint

        return self._open.enter_context(open_endpoint(self.wanted))

    @property
    def notice(self) -> str | None:
        """What a person should know about the model, once it has been chosen."""
        return self.endpoint.notice if "endpoint" in self.__dict__ else None

    def warm(self) -> None:
        """Load what is slow before the first question needs it; a failure is met again there, and told."""
        with suppress(RecuerdoError):
            self.find("warm", 1)
            _ = self.answers, self.chat_model

    @cached_property
    def chat_model(self) -> BaseChatModel:
        """The model behind the endpoint."""
        from models.chat import chat_model

        return chat_model(self.endpoint, timeout_seconds=self.settings.llm_timeout_seconds)

    @cached_property
    def recalling(self) -> Recalling:
        """How passages are found, filtered and put into a prompt."""
        from graphs import prompts
        from graphs.recall import Recalling
        from stores.language import content_words, detect

        return Recalling(
            find=self.find,
            top_k=self.settings.documents_top_k,
            min_score=self.settings.min_score,
            render=prompts.numbered,
            content_words=lambda text: content_words(text, detect(text)),
        )

    @cached_property
    def answers(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The answer graph over the documents and the model."""
        from graphs.answer import Speaking, answer_graph
        from stores.language import detect

        speaking = Speaking(model=lambda: self.chat_model, name=lambda: self.endpoint.model, detect=detect)
        return answer_graph(self.recalling, speaking)

    @cached_property
    def recalls(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The recall graph over the documents."""
        from graphs.recall import recall_graph

        return recall_graph(self.recalling)

    def recall(self, question: str, history: chat.History | None = None) -> dict[str, Any]:
        """What the recall graph finds and keeps for a question."""
        from langchain_core.messages import convert_to_messages

        found: dict[str, Any] = self.recalls.invoke(
            {"question": question, "history": convert_to_messages(history or [])}
        )
        return found

    def search(self, question: str) -> list[dict[str, Any]]:
        """The passages that are kept for a question, as `search --json` shows them."""
        from graphs.nodes import described

        return [described(passage) for passage in self.recall(question)["passages"]]

    def ask(
        self, question: str, history: chat.History | None = None
    ) -> Generator[str | Mapping[str, Any], None, None]:
        """The pieces of an answer as they come, then the whole answer as a mapping."""
        from langchain_core.messages import convert_to_messages

        from graphs.state import Answer

        given = {"question": question, "history": convert_to_messages(history or [])}
        whole: dict[str, Any] = {}
        with self._blaming():
            modes = ["custom", "values"]
            events: Any = self.answers.stream(
                given, stream_mode=modes, output_keys=list(Answer.__annotations__)
            )
            for mode, event in events:
                if mode == "custom":
                    yield event["text"]
                else:
                    whole = event
        yield whole

    @contextmanager
    def _blaming(self) -> Iterator[None]:
        """Turn what the endpoint did wrong into one sentence."""
        try:
            yield
        except RecuerdoError:
            raise
        except Exception as error:  # each client raises its own kinds; whatever is not theirs passes on
            from models.chat import failure

            if "endpoint" in self.__dict__ and (blame := failure(error, self.endpoint)):
                raise blame from error
            raise
