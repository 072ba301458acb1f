"""What rows, a plan, a training run and its proof came to, for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from terminal.show import console, problems


def made(facts: Mapping[str, Any]) -> None:
    """How many rows were made of how many logs, and what was left out."""
    say = console().print
    say(escape(f"{facts['rows']} rows of {facts['logs']} logs in {facts['file']}."))
    for what, name in (("turns left out", "left_out"), ("rows dropped", "dropped"), ("repaired", "repaired")):
        if facts[name]:
            say(escape(f"{what}: " + ", ".join(f"{count} {why}" for why, count in facts[name].items())))
    problems(facts["problems"], "log")


def planned(facts: Sequence[tuple[str, str]], sample: Sequence[tuple[str, bool]]) -> None:
    """A table, and one row as the model will see it: what it is to learn stands out."""
    out = console()
    shown = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for name, text in facts:
        shown.add_row(escape(name), escape(text))
    out.print(shown)
    before, after, how = ("[green]", "[/green]", "in green") if out.is_terminal else ("»", "«", "between »«")
    out.print(f"The shortest row; what is learnt is {how}:")
    pieces = (f"{before}{escape(text)}{after}" if learnt else escape(text) for text, learnt in sample)
    out.print("".join(pieces))


def trained(facts: Mapping[str, Any], out: Path) -> None:
    """Where the adapter is, and what it learnt."""
    data, losses, held_back = facts["data"], facts["loss"], facts["held_back_loss"]
    say = console().print
    say(f"{data['rows']} rows, {data['tokens']:,} tokens, {data['supervised_tokens']:,} of them learnt.")
    if data["unlike"]:
        say(escape(f"The base's own template differs from ours: {data['unlike']}."))
    first, last, seconds = losses["first"], losses["last"], facts["seconds"]
    say(f"{facts['steps']} steps in {seconds:.0f} s: loss {first:.3f} → {last:.3f}.")
    if held_back["before"] is not None:
        rows, before, after = data["held_back"], held_back["before"], held_back["after"]
        say(f"On {rows} rows held back: {before:.3f} → {after:.3f}.")
    say(escape(f"The adapter is {out}. Does it act? python -m training prove --adapter {out}"))


def proven(facts: Mapping[str, Any]) -> None:
    """Both answers, one below the other."""
    say = console().print
    say(escape(f"Asked:   {facts['question']}"))
    say(escape(f"base:    {facts['base_answer']}"))
    say(escape(f"adapter: {facts['adapter_answer']}"))
    verdict = "The adapter changes the answer." if facts["changed"] else "The adapter changes nothing."
    say(f"[bold]{verdict}[/bold]")
    for problem in facts["problems"]:
        say(escape(problem))


def served(facts: Mapping[str, Any]) -> None:
    """What a server with an adapter is asked for, or that it serves the base under the adapter's name."""
    proven(facts)
    name, rank = escape(facts["name"]), facts["rank"]
    told = "write it as the model's name." if facts["changed"] else "what answers to that name is the base."
    console().print(f"The server has {name} (rank {rank}): {told}")


def merged(facts: Mapping[str, Any], out: Path) -> None:
    """How much of a model an adapter changed, and how Ollama gets it."""
    say = console().print
    say(f"{facts['merged']} tensors merged, {facts['copied']} copied: {facts['bytes'] / 1e9:.2f} GB.")
    say(escape(f"For Ollama: ollama create {out.name} -f {facts['modelfile']}"))
