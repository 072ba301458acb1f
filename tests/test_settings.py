"""Every setting is typed, and what cannot be used is named in one sentence."""

from pathlib import Path

import pytest

import settings
from errors import BadInput

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch, tmp_path):
    """The environment belongs to the test; it is nobody's code."""
    monkeypatch.chdir(tmp_path)
    for name in settings.Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_defaults_are_those_that_were_asked_for():
    chosen = settings.load()
    assert (chosen.chunk_size, chosen.chunk_overlap, chosen.documents_top_k, chosen.min_score) == (
        1000,
        200,
        3,
        0.3,
    )
    assert (chosen.documents_dir, chosen.data_dir) == (Path("mis_documentos"), Path("data"))
    assert chosen.embedding_model == "sentence-transformers/all-MiniLM-L6-v2"


def test_command_line_beats_environment_beats_file_beats_default(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("CHUNK_SIZE=400\nDOCUMENTS_TOP_K=7\nMIN_SCORE=0.5\n")
    monkeypatch.setenv("DOCUMENTS_TOP_K", "8")
    monkeypatch.setenv("MIN_SCORE", "0.6")
    chosen = settings.load(min_score=0.7, documents_top_k=None)
    assert (chosen.chunk_size, chosen.documents_top_k, chosen.min_score) == (400, 8, 0.7)


def test_an_empty_variable_is_no_setting(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "")
    assert settings.load().openai_base_url is None


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("CHUNK_SIZ=400", "CHUNK_SIZ in .env is not a setting, did you mean CHUNK_SIZE?"),
        ("CHUNK_SIZE=many", "CHUNK_SIZE=many"),
        ("MIN_SCORE=30", "MIN_SCORE=30"),
        ("CHUNK_OVERLAP=1000", r"CHUNK_OVERLAP \(1000\) must be smaller than CHUNK_SIZE \(1000\)"),
        ("OPENAI_BASE_URL=localhost:11434", "OPENAI_BASE_URL=localhost:11434"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, line, sentence):
    (tmp_path / ".env").write_text(line + "\n")
    with pytest.raises(BadInput, match=sentence):
        settings.load()


def test_a_key_is_never_shown(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert "sk-secret" not in repr(settings.load())


def test_the_example_file_names_every_setting_with_its_default(tmp_path):
    example = (ROOT / ".env.example").read_text()
    named = {line.lstrip("# ").split("=")[0] for line in example.splitlines() if "=" in line}
    assert {name.upper() for name in settings.Settings.model_fields} == named
    (tmp_path / ".env").write_text(
        "\n".join(line.removeprefix("# ") for line in example.splitlines() if "=" in line)
    )
    assert settings.load().chunk_size == 1000
