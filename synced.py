"""The commands that keep DATA_DIR and a bucket alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

import settings
from errors import BadInput
from parts import Parts
from terminal import show
from terminal.options import Json
from terminal.progress import Bar

if TYPE_CHECKING:
    from bucket.server import Access

cli = typer.Typer()
OWNED = "memory/owners/"
Delete = Annotated[bool, typer.Option("--delete", help="Delete too, a tenth of the files at most.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@cli.command(name="pull-s3")
def pull_s3(delete: Delete = False, dry_run: DryRun = False, json: Json = False) -> None:
    """Copy logs, adapters and what was forgotten from S3_URI into DATA_DIR: only what changed."""
    from bucket.pull import pull

    _carried_out(pull, delete=delete, dry_run=dry_run, json=json)


@cli.command()
def push(delete: Delete = False, dry_run: DryRun = False, json: Json = False) -> None:
    """Copy them from DATA_DIR to S3_URI: only what changed."""
    from bucket.push import push as to_bucket

    _carried_out(to_bucket, delete=delete, dry_run=dry_run, json=json)


def _carried_out(direction: Callable[..., Any], *, delete: bool, dry_run: bool, json: bool) -> None:
    from bucket.files import Home
    from bucket.server import Bucket

    chosen = settings.load()
    home = Home(chosen.data_dir, settings.OURS)
    with Bucket.at(_access(chosen)) as there, Bar() as bar:
        facts = dict(direction(home, there, delete=delete, dry_run=dry_run, say=bar))
    if facts.get("forgotten"):
        facts["forgotten"] = _swept(chosen, facts["forgotten"])
    show.as_json(facts) if json else show.carried(facts)
    raise typer.Exit(1 if facts["problems"] else 0)


def _swept(chosen: settings.Settings, files: Iterable[str]) -> int:
    """What was forgotten on another machine goes from the memories here too; how many turns went."""
    owners = {file.split("/")[2] if file.startswith(OWNED) else "" for file in files}
    with Parts(chosen) as parts:
        return sum(parts.memories_of(owner).heed() for owner in sorted(owners))


def _access(chosen: settings.Settings) -> Access:
    from bucket.server import Access

    if not chosen.s3_uri:
        raise BadInput("Say where the bucket is: S3_URI=s3://bucket/prefix, in the environment or in .env.")
    secret, token = chosen.aws_secret_access_key, chosen.aws_session_token
    return Access(
        chosen.s3_uri,
        chosen.aws_endpoint_url,
        chosen.aws_region or chosen.aws_default_region,
        chosen.aws_access_key_id,
        secret.get_secret_value() if secret else None,
        token.get_secret_value() if token else None,
    )
