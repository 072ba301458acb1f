"""A library with a model: which endpoint answers, what it did wrong, and who is told of each run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from errors import RecuerdoError
from library import Library
from terminal import show

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from models.endpoint import Endpoint, Wanted

TRIAL_TOKENS = 80  # a sentence; beyond it the trial model repeats itself


class Voice(Library):
    """What the documents are asked with."""

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

    @cached_property
    def chat_model(self) -> BaseChatModel:
        """The model behind the endpoint."""
        from models.chat import chat_model

        limit = TRIAL_TOKENS if self.endpoint.kind == "embedded" else None
        return chat_model(self.endpoint, timeout_seconds=self.settings.llm_timeout_seconds, max_tokens=limit)

    @cached_property
    def tracers(self) -> list[Any]:
        """What tells LangSmith of each run, where the settings ask for it."""
        from tracing import Tracing, traced

        chosen, key = self.settings, self.settings.langsmith_api_key
        wanted = Tracing(
            endpoint=chosen.langsmith_endpoint,
            project=chosen.langsmith_project,
            api_key=key.get_secret_value() if key else None,
            facts={
                "top_k": chosen.documents_top_k,
                "memory_top_k": chosen.memory_top_k,
                "min_score": chosen.min_score,
                "min_confidence": chosen.min_confidence,
            },
        )
        asked = wanted if chosen.langsmith_tracing else None
        return self._open.enter_context(traced(asked, self._redacted, show.note))

    @cached_property
    def _redactor(self) -> Any:
        from loaders.secrets.redactor import Redactor

        return Redactor(self.settings.data_dir / "models" / "rules")

    def _redacted(self, text: str) -> str:
        return str(self._redactor.redact(text).text)

    @contextmanager
    def blaming(self) -> Iterator[None]:
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
