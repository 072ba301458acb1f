"""Asking the two models of a proof: on a running server, or loaded here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from errors import BadInput, ModelFailed, PartMissing
from training import adapter as folders
from training import base, recipe
from training.prove import Ask, Probe, Said, proven

LONGEST = 48
SECONDS = 120.0


@dataclass(frozen=True)
class Where:
    """A server and the names of both models on it, or none; `cache` keeps unpacked bases."""

    endpoint: str | None
    base: str | None
    name: str | None
    cache: Path
    key: str | None = field(default=None, repr=False)
    """What the server wants to be sent."""


def prove(folder: Path, where: Where, question: str | None, canary: str) -> dict[str, Any]:
    """Whether an adapter changes what its base says: the fields of `prove --json`.

    Raises:
        BadInput: no adapter, or nothing to ask it.
        ModelFailed: the server does not answer for one of the two.
    """
    taught = [Probe(one["messages"]) for one in folders.probes(folder)]
    probes = [Probe([{"role": "user", "content": question}], canary)] if question else taught
    if not probes:
        raise BadInput(f"{folder} says nothing of what it learnt: give a question with --ask.")
    one, other = _served(folder, where) if where.endpoint else _loaded(folder, where.cache)
    facts = proven(probes, one, other)
    return facts | {"problems": [] if facts["changed"] else problems(folder, where.cache)}


def problems(folder: Path, cache: Path, max_rank: int | None = None) -> list[str]:
    """Why an adapter does not act, as far as the files tell; nothing where the base is not here."""
    from training import keys, source

    with suppress(PartMissing, OSError):
        here = source.vocabulary(recipe.load(folder / folders.RECIPE), cache)
        return keys.effect(folder, json.loads((here / "config.json").read_text(encoding="utf-8")), max_rank)
    return []


def base_served(where: Where, name: str) -> str:
    """What a server calls the base of the adapter that it serves as `name`.

    Raises:
        ModelFailed: it does not answer, or serves no adapter of that name.
    """
    listed = _asked(_client(where), "models", None)["data"]
    found = [model for model in listed if model["id"] == name]
    others = [str(model["id"]) for model in listed if model["id"] != name]
    if not found or not others:
        known = ", ".join(model["id"] for model in listed)
        raise ModelFailed(
            f"{where.endpoint} serves no {name} beside its base, only {known}: start it with the adapter."
        )
    return str(found[0].get("parent") or others[0])


def _served(folder: Path, where: Where) -> tuple[Ask, Ask]:
    name = where.name or folder.resolve().name
    client, base_name = _client(where), where.base or base_served(where, name)
    return _on_server(client, base_name), _on_server(client, name)


def _client(where: Where) -> Any:
    import httpx

    headers = {"authorization": f"Bearer {where.key}"} if where.key else {}
    url = f"{(where.endpoint or '').rstrip('/')}/"
    return httpx.Client(base_url=url, headers=headers, timeout=SECONDS, trust_env=False)


def _on_server(client: Any, model: str) -> Ask:
    def ask(messages: Sequence[Mapping[str, Any]]) -> Said:
        asked = {"model": model, "messages": list(messages), "temperature": 0, "max_tokens": LONGEST}
        choice = _asked(client, "chat/completions", asked | {"logprobs": True})["choices"][0]
        tokens = (choice.get("logprobs") or {}).get("content") or []
        return Said(choice["message"].get("content") or "", [token["logprob"] for token in tokens])

    return ask


def _asked(client: Any, path: str, body: Mapping[str, Any] | None) -> Any:
    import httpx

    try:
        answer = client.post(path, json=body) if body else client.get(path)
        answer.raise_for_status()
        return answer.json()
    except httpx.HTTPStatusError as error:
        told = " ".join(error.response.text.split())[:200]
        raise ModelFailed(f"The server answers {error.response.status_code} to /{path}: {told}") from error
    except (httpx.HTTPError, json.JSONDecodeError) as error:
        raise ModelFailed(
            f"The server does not answer to /{path}: {error or type(error).__name__}."
        ) from error


def _loaded(folder: Path, cache: Path) -> tuple[Ask, Ask]:
    """Base and adapter in one model, whose adapter is switched off for the base."""
    from contextlib import nullcontext

    from peft import PeftModel

    chosen = recipe.load(folder / folders.RECIPE)
    source = base.unpacked(chosen, cache)
    tokenizer = base.tokenizer(source, chosen)
    model = PeftModel.from_pretrained(base.model(source, chosen), str(folder)).eval()
    return (
        lambda messages: _generated(model, tokenizer, messages, model.disable_adapter()),
        lambda messages: _generated(model, tokenizer, messages, nullcontext()),
    )


def _generated(model: Any, tokenizer: Any, messages: Sequence[Mapping[str, Any]], within: Any) -> Said:
    import torch

    given = tokenizer.apply_chat_template(
        list(messages), add_generation_prompt=True, return_tensors="pt", return_dict=True
    ).to(model.device)
    with within, torch.no_grad():
        made = model.generate(
            **given, max_new_tokens=LONGEST, do_sample=False, return_dict_in_generate=True, output_logits=True
        )
    tokens = made.sequences[0, given["input_ids"].shape[1] :]
    odds = [row[0].float().log_softmax(-1) for row in made.logits]
    logprobs = [float(one[token]) for one, token in zip(odds, tokens, strict=True)]
    return Said(tokenizer.decode(tokens, skip_special_tokens=True), logprobs)
