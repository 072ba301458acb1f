"""Everything that can be configured, typed and checked; the only reader of the environment.

Command line > environment > `.env` > the defaults below. An unknown key in `.env` is refused by name.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from errors import BadInput

# Folders of DATA_DIR that are ours; everything else in it may be logs.
OURS = ("models", "documents", "memory", "adapters", "proxy", "training", "bucket", "benchmarks")


class Settings(BaseSettings):
    """One field a setting; its name in capitals is the environment variable."""

    model_config = SettingsConfigDict(env_file=".env", extra="forbid", env_ignore_empty=True, frozen=True)

    openai_base_url: str | None = Field(None, pattern=r"^https?://[^\s/]+")
    """The model endpoint. Unset: Ollama or vLLM on localhost:11434, else the trial model."""
    openai_api_key: SecretStr | None = None
    llm_model: str | None = None
    """Unset: what the endpoint serves; on Ollama gpt-oss:20b."""
    llm_timeout_seconds: float = Field(300, gt=0)
    """How long the model may be silent."""

    documents_dir: Path = Path("mis_documentos")
    data_dir: Path = Path("data")
    chunk_size: int = Field(1000, ge=50, le=20_000)
    """Characters a passage."""
    chunk_overlap: int = Field(200, ge=0)
    documents_top_k: int = Field(3, ge=1, le=100)
    min_score: float = Field(0.3, ge=-1, le=1)
    """A cosine; what lies below it is not delivered."""
    min_confidence: float = Field(0.1, ge=0, le=1)
    """How likely it must be that what was found holds an answer; 0: whatever reaches MIN_SCORE will do."""

    memory_owner: str = Field("", pattern=r"^[A-Za-z0-9_-]{0,40}$")
    """Whose memory, where a proxy serves several owners; "" is whoever uses this machine."""
    memory_top_k: int = Field(5, ge=1, le=100)
    """Past turns a question is given."""
    rag_max_tokens: int = Field(2000, ge=100)
    """What all of them together may cost a prompt."""
    qdrant_url: str | None = Field(None, pattern=r"^https?://[^\s/]+")
    """Unset: the Qdrant engine in the process, under DATA_DIR."""
    qdrant_api_key: SecretStr | None = None
    qdrant_collection: str = Field("conversations", pattern=r"^[\w.-]{1,200}$")
    vibe_home: Path = Path("~/.vibe")
    """Where Vibe keeps its logs."""

    rag_proxy_host: str = Field("127.0.0.1", pattern=r"^[^\s/]+$")
    rag_proxy_port: int = Field(11435, ge=0, le=65_535)
    rag_proxy_api_key: SecretStr | None = None
    """What callers of the proxy must send: a key, or OWNER:KEY,OWNER:KEY, each owner with an own memory."""
    rag_proxy_hosts: str = ""
    """Further names, with commas between them, under which the proxy may be called."""
    rag_upstream_url: str | None = Field(None, pattern=r"^https?://[^\s/]+")
    """Unset: the server of OPENAI_BASE_URL, else localhost:11434."""
    rag_deadline_ms: int = Field(300, ge=1, le=60_000)
    """How long a request waits for its memories."""
    rag_watch: Literal["off", "vibe", "data"] = "off"
    """Whose logs the proxy takes in while it runs: those of VIBE_HOME or of DATA_DIR."""
    max_model_len: int = Field(81_920, ge=1024)
    """The model's context in tokens."""

    serve_host: str = Field("127.0.0.1", pattern=r"^[^\s/]+$")
    serve_port: int = Field(8000, ge=0, le=65_535)
    serve_api_key: SecretStr | None = None
    """What callers of LangServe must send."""

    langsmith_tracing: bool = False
    """Whether LangSmith is told of each answer, without its secrets."""
    langsmith_endpoint: str = Field("https://api.smith.langchain.com", pattern=r"^https?://[^\s/]+")
    langsmith_api_key: SecretStr | None = None
    langsmith_project: str = Field("recuerdo", min_length=1)

    s3_uri: str | None = None
    """Where `push` and `pull-s3` keep DATA_DIR: s3://bucket/prefix."""
    aws_endpoint_url: str | None = Field(None, pattern=r"^https?://[^\s/]+")
    """Unset: Amazon's; else MinIO's or another server's."""
    aws_region: str | None = None
    aws_default_region: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None

    recuerdo_user: str | None = Field(None, pattern=r"^\d+:\d+$")
    """Whose files the containers write, as UID:GID. This and what follows is for docker-compose.yml."""
    vllm_image: str | None = None
    vllm_model: str | None = None
    vllm_tool_parser: str | None = None
    hf_cache: Path | None = None
    """Where the model hub's downloads are kept on the host."""
    hf_token: SecretStr | None = None

    embedding_model: str = "sentence-transformers/all-MiniLM-L6-v2"
    threads: int = Field(default_factory=lambda: len(os.sched_getaffinity(0)), ge=1)
    """For embedding and for the trial model."""

    reader_seconds: float = Field(15, gt=0, le=600)
    """How long one file may take to read."""
    reader_memory_mb: int = Field(512, ge=64)
    max_file_mb: int = Field(200, ge=1)

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> Settings:
        if self.chunk_overlap >= self.chunk_size:
            raise ValueError(
                f"CHUNK_OVERLAP ({self.chunk_overlap}) must be smaller than CHUNK_SIZE ({self.chunk_size})"
            )
        return self


def load(**given: Any) -> Settings:
    """The settings, with what the command line gave (None: not given) above everything else.

    Raises:
        BadInput: a value or a key that cannot be used, named with the cure.
    """
    for old in ("LANGCHAIN_TRACING", "LANGCHAIN_HANDLER"):
        os.environ.pop(old, None)  # LangChain refuses to run a graph where it finds one of them
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise BadInput("; ".join(_sentence(fault) for fault in error.errors()) + ".") from error


def _sentence(fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"]).upper()
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, [field.upper() for field in Settings.model_fields], n=1)
        return f"{name} in .env is not a setting" + (f", did you mean {near[0]}?" if near else "")
    reason = fault["msg"].removeprefix("Value error, ")
    return f"{name}={fault['input']}: {reason[0].lower()}{reason[1:]}" if name else reason
