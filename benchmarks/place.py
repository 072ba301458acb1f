"""A data folder for one measurement, which borrows the assembled embedding model of the settings."""

from __future__ import annotations

from pathlib import Path

import settings


def borrow_model(home: Path) -> None:
    """Make the embedding model known below `home`, wherever it lies; assemble it once, not each time."""
    models = settings.load().data_dir / "models"
    models.mkdir(parents=True, exist_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    (home / "models").symlink_to(models.resolve())
