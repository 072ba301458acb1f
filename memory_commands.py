"""The commands over past sessions: taken in, recalled, counted, forgotten."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

import settings
import traces
from errors import BadInput
from parts import Parts
from terminal import show
from terminal.options import Json, worded

cli = typer.Typer()


@cli.command()
def ingest(
    path: Annotated[Path | None, typer.Argument(help="A folder of logs; DATA_DIR without one.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Empty the memory first.")] = False,
    json: Json = False,
) -> None:
    """Take the logs of a coding agent into the memory; what is known already costs a look."""
    with Parts(settings.load()) as parts:
        facts = parts.memories.ingest(path, clear=clear)
    show.as_json(facts) if json else show.intake(facts)


@cli.command(name="pull-local")
def pull_local(
    source: Annotated[Path | None, typer.Argument(help="A folder of logs; Vibe's own without one.")] = None,
    json: Json = False,
) -> None:
    """Copy logs into DATA_DIR: only what changed, and nothing is deleted."""
    with Parts(settings.load()) as parts:
        facts = parts.memories.pull(source)
    show.as_json(facts) if json else show.pulled(facts)


@cli.command()
def recall(
    question: str,
    project: Annotated[str | None, typer.Option(help="Only this project: its folder or its name.")] = None,
    exclude_session: Annotated[
        str | None, typer.Option("--exclude-session", help="Not this session.")
    ] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, help="How many turns.")] = None,
    json: Json = False,
) -> None:
    """Show the past turns that a question finds; no model is called."""
    with Parts(settings.load(memory_top_k=k)) as parts:
        hits = parts.recall_turns(worded(question), project, exclude_session)
    show.as_json({"hits": hits}) if json else show.turns(hits)


@cli.command()
def stats(json: Json = False) -> None:
    """Show what the memory holds, and how often the proxy could give something of it."""
    with Parts(settings.load()) as parts:
        facts = parts.memories.stats() | {"proxy": traces.counts(parts.settings)}
    show.as_json(facts) if json else show.memory(facts)


@cli.command()
def forget(
    session: Annotated[str | None, typer.Option(help="A session, by its id.")] = None,
    project: Annotated[str | None, typer.Option(help="A project: its folder or its name.")] = None,
    turn: Annotated[str | None, typer.Option("--id", help="One turn, by the id that recall shows.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Remove turns from the memory for good: no log brings them back."""
    given = {"session": session, "project": project, "id": turn}
    chosen = [(kind, value) for kind, value in given.items() if value]
    if len(chosen) != 1:
        raise BadInput("Say what to forget: --session ID, --project P or --id ID, one of them.")
    kind, value = chosen[0]
    if not (yes or (sys.stdin.isatty() and typer.confirm(f"Forget {kind} {value} for good?"))):
        raise BadInput("Nothing was forgotten: add --yes.")
    with Parts(settings.load()) as parts:
        gone = parts.memories.forget(kind, value)
        traces.forget(parts.settings, gone)
    show.as_json({"forgotten": len(gone)}) if json else show.note(f"{len(gone)} turns forgotten.")
