"""The facts of a command, for a person or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

QUOTE_LENGTH = 160


def console(*, errors: bool = False) -> Console:
    """Standard output (or error); on a pipe without colour and without breaking lines."""
    stream = sys.stderr if errors else sys.stdout
    width = None if stream.isatty() else 10_000
    return Console(stderr=errors, soft_wrap=not stream.isatty(), highlight=False, width=width)


def note(text: str) -> None:
    """A remark on standard error, beside the result."""
    console(errors=True).print(f"[dim]{escape(text)}[/dim]")


def as_json(facts: Mapping[str, Any]) -> None:
    """One object on one line of standard output."""
    sys.stdout.write(json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace").decode() + "\n")


def sources(found: Sequence[Mapping[str, Any]]) -> None:
    """`[1] file.pdf, p. 3 (0.62)`, a line each; those that the answer cites stand out."""
    out = console()
    for source in found:
        line = f"[{source['n']}] {place(source)} ({source['score']:.2f})"
        out.print(escape(line), style="bold" if source["cited"] else "dim")


def hits(found: Sequence[Mapping[str, Any]]) -> None:
    """Passages with their scores."""
    if not found:
        console().print("Nothing reaches the minimum score.")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    numbers = ("score", "relevance", "confidence")
    for heading in (*numbers, "where", "text"):
        table.add_column(heading, justify="right" if heading in numbers else "left")
    for hit in found:
        text = " ".join(hit["text"].split())[:QUOTE_LENGTH]
        scores = ("" if hit[name] is None else f"{hit[name]:.2f}" for name in numbers)
        table.add_row(*scores, escape(place(hit)), escape(text))
    console().print(table)


def turns(found: Sequence[Mapping[str, Any]]) -> None:
    """Past turns: score, date, project and the text, and the id by which one can be forgotten."""
    if not found:
        console().print("Nothing reaches the minimum score.")
        return
    out = console()
    for hit in found:
        day, project = (hit["time"] or "undated")[:10], hit["project"] or "no project"
        out.print(escape(f"{hit['score']:.2f}  {day}  {project}  {hit['id']}"), style="bold")
        out.print(escape(hit["text"]))
        out.print()


def intake(facts: Mapping[str, Any]) -> None:
    """What taking logs in came to, and what is wrong with which log."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    names = ("sessions", "turns", "new", "changed", "skipped", "redacted")
    for name in (*names, "problems", "seconds"):
        table.add_column(name, justify="right")
    counts = [*(facts[name] for name in names), len(facts["problems"])]
    table.add_row(*map(str, counts), f"{facts['seconds']:.1f}")
    console().print(table)
    if not facts["sessions"]:
        note("No session logs were found: `make pull-local SRC=~/.vibe/logs/session` copies Vibe's.")
    if facts["left_out"]:
        reasons = ", ".join(f"{count} {why}" for why, count in sorted(facts["left_out"].items()))
        note(f"Turns left out: {reasons}.")
    problems(facts["problems"], "log")


def pulled(facts: Mapping[str, Any]) -> None:
    """What copying logs did."""
    console().print(
        f"{facts['copied']} files copied to {facts['into']}, {facts['unchanged']} unchanged, "
        f"{facts['seconds']:.1f} s. `make ingest` takes them into the memory."
    )
    problems(facts["problems"], "not copied")


def carried(facts: Mapping[str, Any]) -> None:
    """What went to a bucket or came from one."""
    way, count = ("pushed", facts["pushed"]) if "pushed" in facts else ("pulled", facts["pulled"])
    console().print(
        f"{count} files {way} ({facts['bytes'] / 1e6:.1f} MB), {facts['unchanged']} unchanged, "
        f"{facts['deleted']} deleted, {facts['seconds']:.1f} s."
    )
    problems(facts["problems"], "left out")


def memory(facts: Mapping[str, Any]) -> None:
    """What the memory holds, project by project."""
    embedding = facts["embedding"]
    out = console()
    out.print(f"{facts['points']} turns of {facts['sessions']} sessions in {facts['projects']} projects.")
    out.print(escape(f"Collection {facts['collection']}, {facts['store']}, {embedding['model']}."))
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("turns", justify="right")
    table.add_column("project")
    for name, count in sorted(facts["by_project"].items(), key=lambda row: (-row[1], row[0])):
        table.add_row(str(count), escape(name))
    if table.row_count:
        out.print(table)
    if (served := facts["proxy"])["requests"]:
        share, cached = served["with_memory"], served["prefix_cache_hit_rate"]
        out.print(f"Proxy: {served['requests']} chat requests, {share:.0%} with memory.")
        if cached is not None:
            out.print(f"Prefix cache of the model server: {cached:.0%} of the prompt tokens.")


def proxy(host: str, port: int) -> None:
    """The line that says that the proxy may be used."""
    url = _url(host, port)
    sys.stdout.write(f"Recuerdo's proxy listens on {url} (api_base {url}/v1)\n")
    sys.stdout.flush()


def started(facts: Mapping[str, Any]) -> None:
    """What serves in containers, and the three lines that make Vibe ask it."""
    models = ", ".join(facts["models"]) or "the model server"
    plain(
        f"{models} with memory, at {facts['address']}. For Vibe:\n\n"
        "# ~/.vibe/config.toml, in [[providers]] (all of it: python app.py vibe-config); on another machine\n"
        "# than this one, its name in the place of localhost\n"
        f'api_base = "{facts["address"]}"\n'
        'api_key_env_var = "RAG_PROXY_API_KEY"\n'
        "# ~/.vibe/.env\n"
        f"RAG_PROXY_API_KEY={facts['key']}\n"
    )


def served(host: str, port: int) -> None:
    """The line that says that questions may be asked over HTTP."""
    url = _url(host, port)
    sys.stdout.write(f"Recuerdo answers on {url}/rag (to try it: {url}/rag/playground/)\n")
    sys.stdout.flush()


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def plain(text: str) -> None:
    """Text that is meant for a file, as it is."""
    sys.stdout.write(text)


def explained(facts: Mapping[str, Any]) -> None:
    """What a proxied request was given: the outcome, then every candidate with its scores."""
    out = console()
    out.print(escape(f"{facts['rag']}: {facts['reason'] or 'as it should be'}"), style="bold")
    names = ("project", "session", "query", "memories", "injected_tokens", "recall_ms", "overhead_ms", "code")
    for name in names:
        out.print(escape(f"{name}: {facts.get(name)}"))
    table = Table(box=None, padding=(0, 2, 0, 0))
    columns = ("kept", "score", "relevance", "confidence", "time", "project", "id")
    for name in columns:
        table.add_column(name)
    for hit in facts["candidates"]:
        table.add_row(*(escape(str(hit.get(name))) for name in columns))
    if table.row_count:
        out.print(table)


def place(hit: Mapping[str, Any]) -> str:
    """Where a passage stands: `manual.pdf, p. 3`, or the file alone when it has no pages."""
    return f"{hit['file']}, p. {hit['page']}" if hit["page"] else str(hit["file"])


def welcome(files: int, folder: Path) -> None:
    """What a chat begins with."""
    console().print(f"{files} documents in {escape(str(folder))}. Ask; [bold]salir[/bold] leaves.")


def report(facts: Mapping[str, Any], left_out: Mapping[str, int]) -> None:
    """What indexing did, each file that could not be read, and how many were of other kinds."""
    out = console()
    counts = ", ".join(f"{facts[name]} {name}" for name in ("added", "changed", "removed", "unchanged"))
    out.print(f"{facts['files']} files: {counts}. {facts['passages']} passages. {facts['seconds']:.1f} s.")
    if left_out:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(left_out.items()))
        out.print(f"Left out, being neither PDF nor TXT: {escape(kinds)}.")
    problems(facts["problems"])


def problems(rows: Sequence[Mapping[str, str]], heading: str = "not read") -> None:
    """Files that were not, or not wholly, read, with the reason."""
    if not rows:
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(heading)
    table.add_column("why")
    for row in rows:
        table.add_row(escape(printable(row["file"])), escape(row["reason"]))
    console().print(table)


def rows(found: Sequence[Mapping[str, Any]], title: str) -> None:
    """Measurements: a row each, the first column names it."""
    table = Table(title=title)
    for number, heading in enumerate(found[0]):
        table.add_column(heading, justify="right" if number else "left")
    for row in found:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console().print(table)


def checks(rows: Sequence[Mapping[str, Any]]) -> None:
    """The diagnosis: a line a check, with the cure where it failed."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for row in rows:
        mark = "[green]ok[/green]" if row["ok"] else "[red]no[/red]"
        cure = f"\n→ {row['fix']}" if not row["ok"] and row["fix"] else ""
        table.add_row(mark, row["name"], escape(f"{row['detail']}{cure}"))
    console().print(table)


def printable(name: str) -> str:
    """A file name that any terminal can show, also when it is not UTF-8."""
    return name.encode("utf-8", "replace").decode()
