"""What the tests of benchmarks share: a folder for a measurement."""

import pytest

from benchmarks.servers import ROOT


@pytest.fixture
def home(tmp_path, model_cache, embedder, monkeypatch):
    """A folder for a measurement, whose settings know the embedding model of this run."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "models").symlink_to(model_cache)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("THREADS", "1")  # on a busy machine faster than two that wait for each other
    monkeypatch.chdir(ROOT)
    return tmp_path / "measured"
