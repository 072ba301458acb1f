"""The chat model behind an endpoint, and what its failures mean in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr

from errors import ModelFailed
from models import address
from models.endpoint import Endpoint

if TYPE_CHECKING:
    import openai
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

EXCERPT_CHARACTERS = 200


def chat_model(
    endpoint: Endpoint, *, timeout_seconds: float, temperature: float = 0.0, max_tokens: int | None = None
) -> BaseChatModel:
    """A ChatOpenAI for the endpoint; it always streams, so that the time limit counts silence."""
    import openai
    from langchain_openai import ChatOpenAI

    trust = not address.is_loopback(endpoint.base_url)  # this machine is never behind a proxy server
    # Ollama ignores max_completion_tokens, the only name under which ChatOpenAI sends the limit.
    own_name = endpoint.kind == "ollama" and max_tokens is not None
    return ChatOpenAI(
        model=endpoint.model,
        base_url=endpoint.base_url,
        api_key=SecretStr(endpoint.api_key),
        temperature=temperature,
        max_completion_tokens=None if own_name else max_tokens,
        extra_body={"max_tokens": max_tokens} if own_name else None,
        streaming=True,
        timeout=timeout_seconds,
        stream_chunk_timeout=timeout_seconds,
        max_retries=2,
        openai_proxy=None,
        http_client=openai.DefaultHttpxClient(trust_env=trust),
        http_async_client=openai.DefaultAsyncHttpxClient(trust_env=trust),
    )


def is_cut(message: BaseMessage) -> bool:
    """Whether the stream ended before the model did: ChatOpenAI takes such an answer for a whole one."""
    return not message.response_metadata.get("finish_reason")


def failure(error: BaseException, endpoint: Endpoint) -> ModelFailed | None:
    """What the endpoint did wrong and what helps, without the key; None when it is not to blame."""
    import openai
    from langchain_openai import StreamChunkTimeoutError

    fault = None
    if isinstance(error, openai.APITimeoutError | StreamChunkTimeoutError):
        fault = "did not answer in time: see whether it is busy or still loading the model, and ask again"
    elif isinstance(error, openai.APIConnectionError):
        fault = _disconnected(error)
    elif isinstance(error, openai.APIStatusError):
        fault = (
            f"answered with status {error.status_code}{_excerpt(error, endpoint)}: {_cure(error, endpoint)}"
        )
    elif isinstance(error, openai.APIError):
        fault = f"broke off with an error ({_excerpt(error, endpoint)}): look at its log and ask again"
    elif isinstance(error, ValueError) and str(error).startswith("No generation"):
        fault = "sent an empty answer: check OPENAI_BASE_URL and ask again"
    if fault is None:
        return None
    return ModelFailed(f"{endpoint.model} at {address.shown(endpoint.base_url)} {fault}.")


def _disconnected(error: BaseException) -> str:
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if type(cause).__name__ == "ConnectError":
        return "cannot be reached: start the server there, or correct OPENAI_BASE_URL"
    return "closed the connection before the answer was whole: look at its log and ask again"


def _excerpt(error: openai.APIError, endpoint: Endpoint) -> str:
    message = error.body.get("message") if isinstance(error.body, dict) else error.body
    # Servers quote the key that they refuse; it goes before the cut, which could leave half of it.
    words = " ".join(str(message or error.message).replace(endpoint.api_key, "***").split())
    return words[:EXCERPT_CHARACTERS]


def _cure(error: openai.APIStatusError, endpoint: Endpoint) -> str:
    if error.status_code >= 500:
        return "look at its log and ask again"
    if error.status_code == 404 and endpoint.kind == "ollama":
        return f"run `ollama pull {endpoint.model}`"
    cures = {
        401: "set OPENAI_API_KEY",
        403: "set OPENAI_API_KEY",
        404: "set LLM_MODEL to one that it serves, and check OPENAI_BASE_URL",
        429: "wait a little and ask again",
    }
    return cures.get(error.status_code, "send it less text, or choose another model with LLM_MODEL")
