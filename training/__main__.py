"""Train an adapter on what you and your agent did, and prove that it changes the model.

python -m training rows --logs DIR --out FILE             logs to training rows
python -m training plan --recipe R --data D               what a run would take; trains nothing
python -m training run --recipe R --data D --out DIR      trains; DIR appears when it is whole
python -m training prove --adapter DIR [--endpoint URL]   whether it acts, here or on a server
python -m training serve --adapter DIR                    a vLLM with it, asked whether it acts
python -m training export --adapter DIR --out DIR         merged into its base, for Ollama
python -m training recover                                the server again that a killed run left stopped
"""

from __future__ import annotations

import importlib.util
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:
    sys.stderr.write("Recuerdo's libraries are missing here: run `make setup-train`.\n")
    raise SystemExit(3) from None

import settings
from errors import BadInput, PartMissing
from lending import JOURNAL
from terminal import command_line, show
from terminal import training as told
from terminal.options import Json
from terminal.progress import Bar
from training import parts
from training.quiet import quiet

cli = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
RecipeName = Annotated[str, typer.Option("--recipe", help="devstral, gpt-oss, smoke, or a YAML file.")]
DataName = Annotated[str, typer.Option("--data", help="JSONL, a folder of logs, or hf:NAME on the hub.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="Another value for a key: --set epochs=1")]


@cli.callback()
def nothing() -> None:
    """Train an adapter on what you and your agent did, and prove that it changes the model."""


@cli.command()
def rows(
    logs: Annotated[Path, typer.Option("--logs", help="Where the agent keeps its sessions.")],
    out: Annotated[Path, typer.Option("--out", help="The file of rows, JSONL.")],
    sessions: Annotated[Path | None, typer.Option("--sessions", help="A file of ids: no others.")] = None,
    json: Json = False,
) -> None:
    """Make training rows of logs."""
    with Bar() as bar:
        facts = parts.rows(settings.load(), logs, out, bar, parts.listed(sessions))
    show.as_json(facts) if json else told.made(facts)


@cli.command()
def plan(recipe: RecipeName, data: DataName, changes: Set = None, json: Json = False) -> None:
    """Say what a run would take, and train nothing."""
    from training.plan import table
    from training.recipe import load, override

    chosen = override(load(recipe), changes or ())
    _ready()
    with quiet(), Bar() as bar:
        facts, sample = parts.plan(settings.load(), chosen, data, bar)
    show.as_json(facts) if json else told.planned(table(facts), sample)


@cli.command()
def run(  # noqa: PLR0913, PLR0917  # its options
    recipe: RecipeName,
    data: DataName,
    place: Annotated[
        Path | None, typer.Option("--out", help="The adapter's folder, which must be new: data/adapters/…")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run was stopped.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Throw away what an unfinished run left.")] = False,
    instead_of: Annotated[
        list[str] | None,
        typer.Option("--instead-of", help="A container that makes room on the GPU meanwhile."),
    ] = None,
    changes: Set = None,
    json: Json = False,
) -> None:
    """Train an adapter."""
    from training import run as running
    from training.job import Job, Stopped
    from training.recipe import load, override
    from training.watch import Watch

    chosen, home = override(load(recipe), changes or ()), settings.load()
    out = place or home.data_dir / "adapters" / chosen.output
    _ready()  # before a server is stopped for it
    if instead_of:
        parts.must_be_worth_a_stop(chosen, data, out)
        raise typer.Exit(_instead_of(instead_of))
    with quiet(), Bar() as bar, _stopping() as stop:
        parts.must_fit(chosen, out)
        watch = Watch(say=bar, stop=stop.is_set)
        job = Job(chosen, parts.given(home, data, bar), out, home.data_dir / "models", watch)
        try:
            facts = running.run(job, resume=resume, anew=anew)
        except Stopped as stopped:
            show.note(str(stopped))
            raise typer.Exit(130) from None
    if facts is not None:
        show.as_json(facts) if json else told.trained(facts, out)


@cli.command()
def prove(  # noqa: PLR0913, PLR0917  # its options
    adapter: Annotated[Path, typer.Option("--adapter", help="The adapter's folder.")],
    endpoint: Annotated[
        str | None, typer.Option("--endpoint", help="A server, as http://host:port/v1.")
    ] = None,
    base: Annotated[str | None, typer.Option("--base", help="The base's name there.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The adapter's name there.")] = None,
    ask: Annotated[str | None, typer.Option("--ask", help="A question of your own.")] = None,
    expect: Annotated[str, typer.Option("--expect", help="Words that only the adapter can say.")] = "",
    json: Json = False,
) -> None:
    """Ask base and adapter the same; exit 1 when the adapter changes nothing."""
    from training.probing import Where, prove

    if expect and not ask:
        raise BadInput("--expect needs the question that brings those words: --ask.")
    home = settings.load()
    key = home.openai_api_key.get_secret_value() if home.openai_api_key else None
    where = Where(endpoint, base, name, home.data_dir / "models", key)
    if not endpoint:
        _ready()
    with quiet():
        facts = prove(adapter, where, ask, expect)
    show.as_json(facts) if json else told.proven(facts)
    raise typer.Exit(0 if facts["changed"] else 1)


@cli.command()
def serve(
    adapter: Annotated[
        Path | None, typer.Option("--adapter", help="The adapter's folder: the newest.")
    ] = None,
    endpoint: Annotated[
        str, typer.Option("--endpoint", help="Where the server will answer.")
    ] = "http://127.0.0.1:11434/v1",
    minutes: Annotated[float, typer.Option("--minutes", help="How long its model may be loaded.")] = 20,
    json: Json = False,
) -> None:
    """Start the container vllm-lora with an adapter; exit 1 when the adapter does not act there."""
    from training import handover, serving

    home = settings.load()
    chosen = adapter or serving.newest(home.data_dir / "adapters")
    if said := handover.recover(home.data_dir / JOURNAL, show.note):
        show.note(said)
    with Bar() as bar:
        facts = serving.serve(chosen, home.data_dir / "models", serving.Patience(endpoint, minutes * 60), bar)
    show.as_json(facts) if json else told.served(facts)
    raise typer.Exit(0 if facts["changed"] else 1)


@cli.command()
def export(
    adapter: Annotated[Path, typer.Option("--adapter", help="The adapter's folder.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of the merged model; it must be new.")],
    gguf: Annotated[
        str | None, typer.Option("--gguf", help="The base: a GGUF file, or ollama:NAME of `ollama list`.")
    ] = None,
    json: Json = False,
) -> None:
    """Merge an adapter into a GGUF of its base, for Ollama."""
    from training.export.folder import export as merged

    _ready()
    with Bar() as bar:
        facts = merged(adapter, gguf, out, bar)
    show.as_json(facts) if json else told.merged(facts, out)


@cli.command()
def recover() -> None:
    """Start again what a training stopped that was killed; there is nothing to say where none was."""
    from training import handover

    if said := handover.recover(settings.load().data_dir / JOURNAL, show.note):
        show.note(said)


def _instead_of(names: list[str]) -> int:
    """Run this command without that option, as a process of its own, while containers make room for it."""
    from training import handover

    words = iter(sys.argv[1:])
    kept = [word for word in words if not (word == "--instead-of" and next(words))]
    kept = [word for word in kept if not word.startswith("--instead-of=")]
    command = [sys.executable, "-m", "training", *kept]
    return handover.instead_of(settings.load().data_dir / JOURNAL, names, command, show.note)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM end a run after the step that it is at, with a checkpoint; a second one at once."""
    told_to = threading.Event()

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        told_to.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told_to
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ready() -> None:
    """Refuse what needs libraries that are not there.

    Raises:
        PartMissing: `make setup-train` was not run.
    """
    if importlib.util.find_spec("trl") is None:
        raise PartMissing("trl is not installed: run `make setup-train`.")


def main() -> None:
    """Run the command line."""
    command_line.run(cli, "python -m training")


if __name__ == "__main__":
    main()
