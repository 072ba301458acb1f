"""What several tests share: the real embedder, once a run, and a command line of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stores.embeddings import DEFAULT_MODEL, Embedder, load_embedder

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("RECUERDO_SHARED", ROOT.parent / "shared"))


# Begun first, so that no worker is left with one of them when the other has nothing more to do.
LONG = {"test_processes.py", "test_two_proxies.py", "test_readme_commands.py", "test_smoke.py"}


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory) -> Path:
    """Where the assembled embedding model lies for this run."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def embedder(model_cache) -> Embedder:
    return load_embedder(DEFAULT_MODEL, model_cache, 2)


@pytest.fixture
def data_dir(tmp_path, model_cache, embedder) -> Path:
    """A data folder of its own that borrows the run's embedding model."""
    home = tmp_path / "data"
    home.mkdir()
    (home / "models").symlink_to(model_cache)
    return home


@pytest.fixture
def environment(data_dir) -> dict[str, str]:
    """The environment of a person who has set nothing; no server may be found by chance."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "DATA_DIR": str(data_dir), "THREADS": "2", "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


@pytest.fixture
def app(environment, tmp_path):
    """Run `python app.py` with arguments, from another folder than its own."""

    def run(*arguments, stdin="", **extra) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, str(ROOT / "app.py"), *map(str, arguments)],
            cwd=tmp_path,
            env=environment | extra,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert "Traceback" not in done.stderr or "--debug" in arguments, done.stderr
        return done

    return run


@pytest.fixture
def pump_folder(tmp_path) -> Path:
    """Two short documents, one in English and one in Spanish."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "pump.txt").write_text(
        "The Aurora 300 pump has a warranty of three years. Its filter must be cleaned every two weeks.\n"
    )
    (folder / "huerto.txt").write_text(
        "El huerto abre a las ocho de la mañana y cierra a las veinte horas. La cuota es de quince euros.\n"
    )
    return folder
