"""The parts put together for the command line: settings, what was forgotten, logs, rows, this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from errors import BadInput

if TYPE_CHECKING:
    from settings import Settings
    from training.material import Given
    from training.recipe import Recipe
    from training.render import Renderer, Sample

Say = Callable[..., None]


def rows(
    home: Settings, logs: Path, out: Path, say: Say, allowed: frozenset[str] | None = None
) -> dict[str, Any]:
    """Rows of the logs below a folder, without what was forgotten; the facts of their making."""
    from loaders.secrets.redactor import Redactor
    from training.rows import rows as made
    from training.threads import Choice

    choice = Choice(_forgotten(home), allowed, _apart(home))
    return made(logs, out, Redactor(home.data_dir / "models" / "rules"), choice, say)


def listed(path: Path | None) -> frozenset[str] | None:
    """The session ids in a file, a line each; None without a file.

    Raises:
        BadInput: there is no such file, or none in it.
    """
    if path is None:
        return None
    try:
        found = frozenset(
            line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
        )
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read as a list of session ids: {error}.") from error
    if not found:
        raise BadInput(f"{path} lists no session: write one id a line.")
    return found


def given(home: Settings, name: str, say: Say) -> Given:
    """The rows that --data names, made of logs where it is a folder of those, without what was forgotten.

    Raises:
        BadInput: there is nothing to learn from.
    """
    from loaders.vibe.logs import list_logs
    from training import material

    def rows_of(folder: Path) -> Path | None:
        if not list_logs(folder, _apart(home)).logs:
            if folder.resolve() == home.data_dir.resolve():  # what else lies there is ours
                raise BadInput(f"No logs lie in {folder}: run `make pull-local`, or name JSONL as --data.")
            return None
        out = home.data_dir / "training" / "rows.jsonl"
        out.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        rows(home, folder, out, say)
        return out

    return material.given(name, rows_of, _forgotten(home), say)


def must_fit(recipe: Recipe, out: Path) -> None:
    """Refuse what this machine cannot train, before anything is loaded.

    Raises:
        PartMissing: what is needed, and what is there.
    """
    from training import machine
    from training import plan as planning

    planning.must_fit(planning.plan(recipe, planning.UNREAD, machine.here(out)))


def must_be_worth_a_stop(recipe: Recipe, data: str, out: Path) -> None:
    """Refuse what would fail soon, before a server is stopped for it.

    Raises:
        BadInput: the folder exists, there are no data, or each of several processes would stop a server.
        PartMissing: this machine cannot train it, whoever makes room.
    """
    from torch.distributed import is_torchelastic_launched

    from training import adapter, machine, material
    from training import plan as planning

    if is_torchelastic_launched():
        raise BadInput("Under accelerate launch each process would stop the server: stop it yourself first.")
    adapter.must_be_new(out)
    material.must_be_there(data)
    planning.must_fit(planning.plan(recipe, planning.UNREAD, machine.without_servers(out)))


def plan(
    home: Settings, recipe: Recipe, data: str, say: Say
) -> tuple[dict[str, Any], list[tuple[str, bool]]]:
    """What a run would take, and one sample in pieces that are learnt or not."""
    from training import machine, material
    from training import plan as planning

    found = given(home, data, say)
    renderer, counted_with = _renderer(home, recipe)
    done = material.prepared(recipe, found.data, renderer, say)
    here = machine.here(home.data_dir / "adapters" / recipe.output)
    shortest: Sample = min(done.samples, key=lambda sample: len(sample.ids))
    return planning.plan(recipe, done.counted(counted_with), here), renderer.painted(shortest)


def _renderer(home: Settings, recipe: Recipe) -> tuple[Renderer, str]:
    """The renderer of a recipe's base, or of the bundled one where that is not at hand."""
    from errors import PartMissing
    from training import base, source
    from training import recipe as recipes
    from training.render import Renderer

    cache = home.data_dir / "models"
    try:
        folder = source.vocabulary(recipe, cache)
        return Renderer(base.tokenizer(str(folder), recipe), recipe.family), ""
    except PartMissing:
        small = recipes.load("smoke")
        folder = source.vocabulary(small, cache)
        return Renderer(base.tokenizer(str(folder), small), small.family), "SmolLM2"


def _apart(home: Settings) -> tuple[Path, ...]:
    """Where in DATA_DIR no logs are."""
    from settings import OURS

    return tuple(home.data_dir / name for name in OURS)


def _forgotten(home: Settings) -> Callable[..., bool]:
    from stores.forgotten import Forgotten

    memory = home.data_dir / "memory"
    memory = memory / "owners" / home.memory_owner if home.memory_owner else memory
    return Forgotten(memory / "forgotten.jsonl").holds
