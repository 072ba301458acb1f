"""How many tokens a model reads anew when memory is put into a conversation, by where it is put.

python -m benchmarks.prefix [--json]

A scripted conversation with a coding agent (benchmarks/coding.py), answered by the trial model's own server,
which keeps the prompt of the request before and says how much of it served again. One server a method, so
that nothing is shared. The memory holds a fitting past turn for each turn of the user, taken in by `ingest`.

`none`: no memory. `ours`: through the proxy. `current_turn`: what the proxy gave a turn, in the last message
of the user only, so that it moves on. `system`: the same, in the instructions. `memory_tokens`: what the
memories themselves come to, each once; nobody can read less anew than `none` and these. `steady`: every
request begins with all messages of the one before, so the model still sees what it was given.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

import settings
from benchmarks import between, coding, machine, servers
from benchmarks.coding import Coding, Message
from benchmarks.place import borrow_model
from errors import ModelFailed, PartMissing
from parts import Parts
from terminal import show
from terminal.progress import Bar

TRIAL = "SmolLM2-135M-Instruct"
ANSWER_TOKENS = 4
PATIENCE_SECONDS = 300.0
ALLOWED = 1.02
# Time is not what is measured here.
PATIENT = "RAG_DEADLINE_MS=30000"
# A turn's number and the messages of a request, to the messages that are sent.
Place = Callable[[int, list[Message]], list[Message]]


@dataclass(frozen=True)
class Usage:
    """What a request cost: all its tokens, and those that the server had to read; the turn it belongs to."""

    turn: int
    prompt: int
    anew: int


@dataclass(frozen=True)
class Carried:
    """A whole conversation: what each request cost, and the messages that arrived with it."""

    used: Sequence[Usage]
    arrived: Sequence[list[Message]]

    @property
    def steady(self) -> bool:
        """Whether every request began with all messages of the one before."""
        return all(later[: len(one)] == one for one, later in pairwise(self.arrived))


def measure(given: Coding, home: Path, bar: Bar) -> list[dict[str, Any]]:
    """One row a method; the others are given what the proxy chose, in other places."""
    done = {"none": _direct(given, home / "none", lambda _, sent: sent)}
    bar("conversations", 1, 4)
    done["ours"] = _through_proxy(given, home / "ours")
    bar("conversations", 2, 4)
    blocks = _blocks(given, done["ours"].arrived)
    done["current_turn"] = _direct(
        given, home / "moving", lambda turn, sent: _put(sent, _asked(sent)[-1], blocks[turn])
    )
    bar("conversations", 3, 4)
    done["system"] = _direct(given, home / "system", lambda turn, sent: _put(sent, 0, blocks[turn]))
    memory = _more(done["current_turn"].used, done["none"].used)
    return [_row(name, done[name], done["none"], 0 if name == "none" else memory) for name in done]


def _direct(given: Coding, home: Path, place: Place) -> Carried:
    with _engine(home) as parts:
        arrived = [place(turn, sent) for turn, sent in given.requests()]
        return Carried(_converse(given, parts, parts.endpoint.base_url, arrived), arrived)


def _through_proxy(given: Coding, home: Path) -> Carried:
    borrow_model(home)
    given.remember(home / "logs")
    with (
        _engine(home) as parts,
        between.recording(parts.endpoint.base_url.removesuffix("/v1")) as (port, asked),
    ):
        parts.memories.ingest(home / "logs")
        sent = [messages for _, messages in given.requests()]
        with servers.ours(port, home, PATIENT) as proxy:
            used = _converse(given, parts, f"http://127.0.0.1:{proxy.port}/v1", sent)
    return Carried(used, [body["messages"] for body in asked if "messages" in body])


def _engine(home: Path) -> Parts:
    """Parts whose endpoint is a trial model of their own, whatever the settings name."""
    chosen = settings.load(data_dir=home, llm_model=TRIAL)
    return Parts(chosen.model_copy(update={"openai_base_url": None}))


def _converse(given: Coding, parts: Parts, base_url: str, sent: Sequence[Sequence[Message]]) -> list[Usage]:
    endpoint = parts.endpoint
    headers = {"Authorization": f"Bearer {endpoint.api_key}", "x-affinity": "benchmark"}
    used = []
    with httpx.Client(headers=headers, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        for (turn, _), messages in zip(given.requests(), sent, strict=True):
            body: dict[str, Any] = {"model": endpoint.model, "messages": messages, "tools": given.tools}
            body |= {"max_tokens": ANSWER_TOKENS, "temperature": 0}
            answer = client.post(f"{base_url}/chat/completions", json=body)
            if answer.status_code != httpx.codes.OK:
                raise ModelFailed(f"{base_url} answered {answer.status_code}: {answer.text[:200]}")
            usage = answer.json()["usage"]
            total, known = usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]
            used.append(Usage(turn, total, total - known))
    return used


def _blocks(given: Coding, arrived: Sequence[list[Message]]) -> list[str]:
    """What the proxy added to each of the user's messages when it first passed it on."""
    sent = list(given.requests())[-1][1]
    firsts = {at: next(messages for messages in arrived if len(messages) > at) for at in _asked(sent)}
    blocks = [first[at]["content"].removeprefix(sent[at]["content"]) for at, first in firsts.items()]
    if not all(blocks):
        raise PartMissing("The proxy gave a turn no memory: its log says why, see `python app.py explain`.")
    return blocks


def _asked(messages: Sequence[Message]) -> list[int]:
    return [at for at, message in enumerate(messages) if message["role"] == "user"]


def _put(messages: Sequence[Message], at: int, block: str) -> list[Message]:
    changed = messages[at] | {"content": messages[at]["content"] + block}
    return [*messages[:at], changed, *messages[at + 1 :]]


def _row(name: str, done: Carried, none: Carried, memory: int) -> dict[str, Any]:
    anew, least = (sum(one.anew for one in some.used) for some in (done, none))
    prompt, plain = (sum(one.prompt for one in some.used) for some in (done, none))
    return {
        "method": name,
        "prompt_tokens": prompt,
        "prompt_over_none": round(100 * (prompt / plain - 1), 1),
        "tokens_read_anew": anew,
        "over_none": round(100 * (anew / least - 1), 1),
        "memory_tokens": memory,
        "beyond_memory": anew - least - memory,
        "steady": done.steady,
        "within_target": anew <= ALLOWED * (least + memory),
    }


def _more(used: Sequence[Usage], none: Sequence[Usage]) -> int:
    """What the memories come to, where each turn has its own alone in the prompt."""
    return sum({one.turn: one.prompt - plain.prompt for one, plain in zip(used, none, strict=True)}.values())


def main(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Compare where memory is put."""
    given = coding.load()
    with tempfile.TemporaryDirectory() as home, Bar() as bar:
        rows = measure(given, Path(home), bar)
    name = f"{len(given.turns)} turns, {len(list(given.requests()))} requests, {TRIAL}"
    if json:
        show.as_json({"set": name, "rows": rows, "machine": machine.described()})
        return
    show.rows(rows, name)
    ours = rows[1]
    verdict = "no more" if ours["within_target"] else "MORE"
    show.note(f"ours reads {verdict} anew than none and the memories themselves, within 2 %.")


if __name__ == "__main__":
    typer.run(main)
