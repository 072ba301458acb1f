"""What `doctor` looks at on the model server: the model, a real tool call, the context."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from checks.adapter import adapter
from checks.told import Told, looked
from errors import ModelFailed, PartMissing
from parts import Parts
from terminal.doctor import Check

if TYPE_CHECKING:
    from models.endpoint import Wanted
    from models.probe import Found
    from models.served import Served

LOOK_SECONDS, CALL_SECONDS = 15.0, 60.0
TRIAL = "the embedded trial model will answer"
FIRST = "first cure what `model endpoint` or `model` names"


class Server:
    """The model endpoint of the settings, asked once for all checks; nothing is started for them."""

    def __init__(self, wanted: Wanted, seconds: float = LOOK_SECONDS) -> None:
        self.wanted, self.seconds = wanted, seconds

    @cached_property
    def found(self) -> Found:
        """Who answers."""
        from models.address import shown
        from models.probe import Found, Silent, probe, within

        base = self.wanted.base_url or self.wanted.local_url
        try:
            return within(self.seconds, lambda: probe(base, self.wanted.api_key))
        except Silent as error:
            return Found(
                base, problem=f"{shown(base)} gives {error}", cure="see whether it is busy, or restart it"
            )

    @cached_property
    def instead(self) -> str | None:
        """Who answers where no server has to; None where one has to."""
        from models import embedded

        wanted, found = self.wanted, self.found
        if wanted.base_url is not None:
            return None
        if wanted.model == embedded.MODEL:
            return TRIAL
        if found.kind is None and shutil.which(wanted.ollama_command):
            return "`make chat` starts the Ollama that is installed"
        return TRIAL if wanted.model is None and found.problem else None

    @cached_property
    def served(self) -> Served | Told:
        """The model that is asked, as for a chat; else why there is none."""
        from models.endpoint import open_endpoint
        from models.probe import within
        from models.served import Served

        if self.found.problem:
            return Told("not asked: the model endpoint does not answer", FIRST)
        named = replace(self.wanted, base_url=self.found.base_url)  # for a named one nothing is started

        def name() -> str:
            with open_endpoint(named) as endpoint:
                return endpoint.model

        try:
            return Served(self.found, within(self.seconds, name), self.wanted.api_key)
        except PartMissing as error:
            detail, _, fix = str(error).removesuffix(".").partition(": ")
            return Told(detail, fix or FIRST)


def checks(parts: Parts) -> Iterator[Check]:
    """The checks; the context after the call, since Ollama tells it of a model that is loaded."""
    server = Server(parts.wanted)
    yield looked("model endpoint", lambda: endpoint(server))
    yield looked("model", lambda: model(server))
    yield looked("tool calls", lambda: tool_calls(server))
    yield looked("context", lambda: context(server, parts.settings.max_model_len))
    yield looked("adapter", lambda: adapter(server.found, parts.settings.data_dir / "adapters"))


def endpoint(server: Server) -> Told:
    """Whether one answers, or has to."""
    from models.address import shown

    found = server.found
    if found.problem is None:
        return Told(
            f"{found.kind} at {shown(found.base_url)}: {', '.join(found.models) or 'lists no models'}"
        )
    if server.instead:
        return Told(f"{found.problem}; {server.instead}")
    return Told(f"{found.problem}: {found.cure}", "see the README, “You have Ollama”")


def model(server: Server) -> Told:
    """Whether it has the model that a chat asks for."""
    if server.instead:
        return Told(f"none is asked for: {server.instead}")
    if isinstance(server.served, Told):
        return server.served
    name, listed = server.served.name, server.found.models
    unlisted = not {name, f"{name}:latest"} & set(listed)
    return Told(f"{name}, which the server does not list, though others may know it" if unlisted else name)


def tool_calls(server: Server, seconds: float = CALL_SECONDS) -> Told:
    """Whether a model that is told to call a tool does so."""
    from models import served
    from models.probe import Silent, within

    if server.instead:
        mute = ", and it cannot call tools" if server.instead == TRIAL else ""
        return Told(f"not asked: {server.instead}{mute}")
    found = server.served
    if isinstance(found, Told):
        return Told("not asked: no model answers", FIRST)
    try:
        return Told(within(seconds, lambda: served.tool_call(found, seconds)))
    except Silent as error:
        busy = "see whether it is busy or still loading the model, and run this again"
        return Told(f"{found.name}: {error}", busy)
    except ModelFailed as error:
        return Told(f"{found.name}: {error}", _parser(found))


def context(server: Server, needed: int) -> Told:
    """Whether the server's context is as long as MAX_MODEL_LEN says."""
    from models import served
    from models.probe import within

    if server.instead:
        return Told(f"not asked: {server.instead}")
    found = server.served
    if isinstance(found, Told):
        return Told("not asked: no model answers", FIRST)
    told = within(server.seconds, lambda: served.context(found))
    if told is None:
        return Told(f"the server does not say; MAX_MODEL_LEN is {needed}")
    if told.tokens >= needed:
        said = ", though the server may give it less" if told.at_most else ""
        return Told(f"{told.tokens} tokens{said}; MAX_MODEL_LEN is {needed}")
    more = f", or OLLAMA_CONTEXT_LENGTH={needed} for `ollama serve`" if found.found.kind == "ollama" else ""
    fix = f"set MAX_MODEL_LEN={told.tokens}{'' if told.at_most else more}"
    return Told(f"{found.name} reads {told.tokens} tokens, and MAX_MODEL_LEN is {needed}", fix)


def _parser(found: Served) -> str:
    if found.found.kind == "ollama":
        return "set LLM_MODEL to a model that calls tools, such as gpt-oss:20b"
    if found.found.kind == "vllm":
        parser = "openai" if "gpt-oss" in found.name else "mistral"
        return f"start vLLM with --enable-auto-tool-choice --tool-call-parser {parser}"
    return "switch on the server's tool parser (llama.cpp: --jinja), or choose a model that calls tools"
