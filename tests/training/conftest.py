"""The bundled base is unpacked once for all tests."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bases(tmp_path_factory) -> Path:
    from training import recipe, source

    folder = tmp_path_factory.mktemp("bases")
    source.found(recipe.load("smoke"), folder)
    return folder


@pytest.fixture(scope="module")
def home(bases, tmp_path_factory) -> Path:
    """A DATA_DIR of a module's own that holds the base."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "models").symlink_to(bases)
    return folder
