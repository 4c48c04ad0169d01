"""The policies that a project starts with, and those that hold while it writes none."""

from __future__ import annotations

from pathlib import Path

from mbp.core.settings import load_settings

FOLDER = Path(__file__).parent / "profiles"


def own_or_default(root: Path, name: str, profile: str) -> Path:
    """The file of the project; in a project with its own layout that has none, the one that comes with the package."""
    own = root / name
    return FOLDER / profile if load_settings(root).hosted and not own.is_file() else own
