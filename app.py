"""Recuerdo: ask your own documents, with your own model.

python app.py                  questions and answers; salir, exit, quit or end of input leave
python app.py ask "Q"          one answer        python app.py index    bring the index up to date
python app.py search "Q"       passages only     python app.py doctor   what works, what does not, what to do
python app.py ingest [PATH]    past sessions into the memory      python app.py stats    what it holds
python app.py recall "Q"       the turns that a question finds    python app.py forget   remove some for good
python app.py proxy            memory for a coding agent         python app.py explain  what a request got

The commands for a person and a script; `parts.py` is where the parts are put together.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

try:
    import typer
except ModuleNotFoundError:
    sys.stderr.write(
        "Recuerdo's libraries are missing here: run `make setup`, then `.venv/bin/python app.py`.\n"
    )
    raise SystemExit(3) from None

import agent
import contained
import memory_commands
import over_http
import proxied
import settings
import synced
import traces
from checks.chain import checks
from errors import BadInput, RecuerdoError
from parts import Parts
from terminal import chat, command_line, doctor, show
from terminal.options import Json, worded
from terminal.progress import Bar

cli = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
Folder = Annotated[Path | None, typer.Option("--documents", help="The folder of PDF and TXT files.")]


@cli.callback(invoke_without_command=True)
def talk(
    context: typer.Context,
    documents: Folder = None,
    thread: Annotated[str | None, typer.Option(help="A conversation that is kept, and gone on with.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Ask your own documents, with your own model. Without a command: questions and answers."""
    if context.invoked_subcommand is not None:
        if documents is not None:
            raise BadInput(
                f"Put --documents after the command: app.py {context.invoked_subcommand} --documents …"
            )
        if thread is not None:
            raise BadInput("Only a conversation has a --thread: leave the command out.")
        return
    with Parts(settings.load(documents_dir=documents), thread) as parts:
        parts.freshen()
        terminal, said = sys.stdin.isatty(), parts.said()
        failure = (
            _talk_on_terminal(parts, said) if terminal else chat.talk(_asking(parts), chat.from_pipe(), said)
        )
    if failure is not None and not sys.stdin.isatty():
        raise failure


@cli.command()
def ask(question: str, documents: Folder = None, json: Json = False) -> None:
    """Answer one question from the documents, with sources."""
    with Parts(settings.load(documents_dir=documents)) as parts:
        if not json:
            chat.say(_asking(parts)(worded(question), []))
            return
        for piece in parts.ask(worded(question)):
            if not isinstance(piece, str):
                show.as_json(piece)


@cli.command()
def search(
    question: str,
    documents: Folder = None,
    k: Annotated[int | None, typer.Option("-k", min=1, help="How many passages.")] = None,
    min_score: Annotated[float | None, typer.Option("--min-score", help="The lowest cosine.")] = None,
    json: Json = False,
) -> None:
    """Show the passages that a question finds; no model is called."""
    with Parts(settings.load(documents_dir=documents, documents_top_k=k, min_score=min_score)) as parts:
        hits = parts.search(worded(question))
    show.as_json({"hits": hits}) if json else show.hits(hits)


@cli.command()
def index(
    documents: Folder = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Read and embed every file anew.")] = False,
    json: Json = False,
) -> None:
    """Bring the index of the documents up to date."""
    with Parts(settings.load(documents_dir=documents)) as parts:
        facts = asdict(parts.refresh(rebuild=rebuild))
        left_out = parts.listing.left_out
    show.as_json(facts | {"left_out": left_out}) if json else show.report(facts, left_out)


cli.add_typer(memory_commands.cli)
cli.add_typer(synced.cli)


@cli.command()
def proxy(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes any free one.")] = None,
    upstream: Annotated[str | None, typer.Option(help="The model server.")] = None,
) -> None:
    """Stand between a coding agent and its model server, and put past conversations into the prompts."""
    chosen = settings.load(rag_proxy_host=host, rag_proxy_port=port, rag_upstream_url=upstream)
    with Parts(chosen) as parts:
        proxied.serve(parts, show.proxy)
    command_line.leave()  # what takes in logs may be at it


@cli.command()
def rag(
    model: Annotated[
        Literal["vllm", "vllm-lora", "ollama"], typer.Option(help="Which container answers.")
    ] = "vllm",
    seconds: Annotated[float, typer.Option(help="How long the proxy may take, its model being there.")] = 120,
    json: Json = False,
) -> None:
    """Start Qdrant, a model and the proxy in containers, and say what Vibe has to be told."""
    with Bar() as bar:
        facts = contained.start(settings.load(), model, seconds, bar)
    show.as_json(facts) if json else show.started(facts)


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes any free one.")] = None,
    documents: Folder = None,
) -> None:
    """Answer questions over HTTP with LangServe, under /rag."""
    from langserve import add_routes

    with Parts(settings.load(serve_host=host, serve_port=port, documents_dir=documents)) as parts:
        over_http.serve(parts, add_routes, show.served)


@cli.command(name="vibe-config")
def vibe_config(json: Json = False) -> None:
    """Print what Vibe's configuration needs, so that it asks the proxy."""
    with Parts(settings.load()) as parts:
        text = agent.config(parts)
    show.as_json({"file": "~/.vibe/config.toml", "toml": text}) if json else show.plain(text)


@cli.command()
def explain(request_id: str, json: Json = False) -> None:
    """Show what a request through the proxy was given, and why."""
    facts = traces.explained(settings.load(), request_id)
    show.as_json(facts) if json else show.explained(facts)


@cli.command(name="doctor")
def diagnose(documents: Folder = None, json: Json = False) -> None:
    """Say what works, what does not, and what to do about it."""
    with Parts(settings.load(documents_dir=documents)) as parts:
        findings = doctor.examine(checks(parts))
    rows = doctor.rows(findings)
    show.as_json({"checks": rows}) if json else show.checks(rows)
    if not doctor.healthy(findings):
        raise typer.Exit(1)


def _asking(parts: Parts) -> chat.Ask:
    """`Parts.ask`, announcing the model before its first answer."""
    announced = False

    def asking(question: str, history: chat.History) -> Generator[str | Mapping[str, Any], None, None]:
        nonlocal announced
        for piece in parts.ask(question, history):
            if not announced and (notice := parts.notice):
                show.note(notice)
                announced = True
            yield piece

    return asking


def _talk_on_terminal(parts: Parts, said: chat.History) -> RecuerdoError | None:
    """Load what is slow while the first question is being typed."""
    loading = threading.Thread(target=parts.warm, daemon=True)

    def asking(question: str, history: chat.History) -> Generator[str | Mapping[str, Any], None, None]:
        loading.join()
        return announcing(question, history)

    announcing = _asking(parts)
    show.welcome(len(parts.listing.sources), parts.settings.documents_dir)
    if said:
        show.note(f"The last thing that was said here: {said[-2][1]}")
    typed = chat.from_terminal(parts.settings.data_dir / "chat_history", loading.start)
    return chat.talk(asking, typed, said)


def main() -> None:
    """Run the command line."""
    command_line.run(cli, "app.py")


if __name__ == "__main__":
    main()
