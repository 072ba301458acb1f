"""What a server says of one of its models, and does with it: its context, and a real tool call."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from errors import ModelFailed
from models import address
from models.probe import Found, Silent

if TYPE_CHECKING:
    import httpx

SECONDS = 5.0  # of silence
CALL_TOKENS, EXCERPT = 512, 160
TOOL = "read_file"
PROMPT = f"Read the file notes.txt: call the tool {TOOL}. Do not answer in words."
# How models write a call where no parser takes it out of their text.
AS_TEXT = re.compile(rf"\[TOOL_CALLS\]|<tool_call>|<\|channel\|>|\b{TOOL}\b[^\n]*[\[{{(]|[\[{{(].*\b{TOOL}\b")


@dataclass(frozen=True)
class Served:
    """A model on a server that answers."""

    found: Found
    name: str
    api_key: str | None = field(default=None, repr=False)

    @property
    def root(self) -> str:
        """The server's address, without /v1."""
        return self.found.base_url.removesuffix("/v1")

    def client(self, seconds: float) -> httpx.Client:
        """What it is asked with; this machine never through a proxy server."""
        import httpx

        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        direct = address.is_loopback(self.found.base_url)
        return httpx.Client(headers=headers, timeout=seconds, trust_env=not direct)


@dataclass(frozen=True)
class Context:
    """How many tokens a model reads; where `at_most`, the server may give it fewer."""

    tokens: int
    at_most: bool = False


def context(served: Served) -> Context | None:
    """What the server says of a model's context; None where it does not."""
    entry = _entry(served.found, served.name)
    if tokens := _first([entry, _entry(served.found, entry.get("parent"))], "max_model_len"):
        return Context(tokens)
    with served.client(SECONDS) as client:
        if served.found.kind == "ollama":
            return _of_ollama(client, served)
        props = _asked(client, "GET", f"{served.root}/props")
    meta = _mapping(entry.get("meta"))
    # llama.cpp shares its context out among those who ask at the same time: this is one's part.
    if tokens := _first([_mapping(props.get("default_generation_settings")), meta], "n_ctx"):
        return Context(tokens)
    tokens = _first([meta], "n_ctx_train")
    return Context(tokens, at_most=True) if tokens else None


def tool_call(served: Served, seconds: float) -> str:
    """What a model did that was told to call a tool, where it did so.

    Raises:
        Silent: nothing came in time. ModelFailed: no call came, and what came instead.
    """
    import httpx

    asked = {
        "model": served.name,
        "messages": [{"role": "user", "content": PROMPT}],
        "tools": [_tool()],
        "tool_choice": "auto",
        "temperature": 0,
        "max_tokens": CALL_TOKENS,
    }
    try:
        with served.client(seconds) as client:
            answer = client.post(f"{served.found.base_url}/chat/completions", json=asked)
    except httpx.TimeoutException as error:
        raise Silent(f"no answer within {seconds:.0f} s") from error
    except httpx.HTTPError as error:
        raise ModelFailed(f"the connection was lost ({type(error).__name__})") from error
    if not answer.is_success:
        raise ModelFailed(f"answered with status {answer.status_code}: {_excerpt(answer.text, served)}")
    return _called(answer, served)


def _called(answer: httpx.Response, served: Served) -> str:
    try:
        choice = answer.json()["choices"][0]
        message = dict(choice["message"])
    except (ValueError, LookupError, TypeError) as error:
        raise ModelFailed(f"no chat completion came: {_excerpt(answer.text, served)}") from error
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = _mapping(_mapping(call).get("function"))
        name, given = str(function.get("name")), function.get("arguments")
        with suppress(ValueError, TypeError):
            if name == TOOL and isinstance(json.loads(str(given)), dict):
                return f"{served.name} called {name}, with arguments that are valid JSON"
        raise ModelFailed(f"a broken call came: {_excerpt(f'{name}({given})', served)}")
    text = str(message.get("content") or "")
    if AS_TEXT.search(text):
        raise ModelFailed(f"the call came as text, {_excerpt(text, served)}: the tool parser is off or wrong")
    text = text or str(message.get("reasoning_content") or message.get("reasoning") or "")
    if choice.get("finish_reason") == "length":
        raise ModelFailed(f"no call came within {CALL_TOKENS} tokens, only {_excerpt(text, served)}")
    raise ModelFailed(f"no call came, only {_excerpt(text, served)}")


def _tool() -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    about = {"name": TOOL, "description": "Read a file and give its text.", "parameters": parameters}
    return {"type": "function", "function": about}


def _of_ollama(client: httpx.Client, served: Served) -> Context | None:
    loaded = _asked(client, "GET", f"{served.root}/api/ps").get("models")
    names = {served.name, f"{served.name}:latest"}
    found = [_mapping(one) for one in loaded] if isinstance(loaded, list) else []
    if tokens := _first([one for one in found if str(one.get("name")) in names], "context_length"):
        return Context(tokens)
    told = _asked(client, "POST", f"{served.root}/api/show", {"model": served.name})
    set_to = re.search(r"^num_ctx\s+(\d+)", str(told.get("parameters") or ""), re.MULTILINE)
    if set_to:
        return Context(int(set_to[1]))
    about = _mapping(told.get("model_info"))
    most = next((about[key] for key in about if key.endswith(".context_length")), None)
    return Context(most, at_most=True) if isinstance(most, int) else None


def _asked(client: httpx.Client, method: str, url: str, body: object = None) -> Mapping[str, Any]:
    """The object that comes; an empty one where none does."""
    import httpx

    try:
        answer = client.request(method, url, json=body)
        return _mapping(answer.json()) if answer.is_success else {}
    except (httpx.HTTPError, ValueError):
        return {}


def _entry(found: Found, name: object) -> Mapping[str, Any]:
    return next((entry for entry in found.entries if entry["id"] == name), {})


def _first(places: Iterable[Mapping[str, Any]], key: str) -> int | None:
    return next((place[key] for place in places if isinstance(place.get(key), int) and place[key] > 0), None)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _excerpt(text: str, served: Served) -> str:
    # Servers quote the key that they refuse; it goes before the cut, which could leave half of it.
    words = " ".join((text.replace(served.api_key, "***") if served.api_key else text).split())
    return f"“{words[:EXCERPT]}{'…' if len(words) > EXCERPT else ''}”" if words else "nothing"
