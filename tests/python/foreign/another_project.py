"""A small dbt project of somebody else, and `mbp` in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from typer.testing import CliRunner, Result

from mbp.cli.main import app

SHOP = Path(__file__).parent / "shop"
IGNORED = "target/\nlogs/\n.mbp/\n*.duckdb\n*.lock\n"


def copy_of(folder: Path) -> Path:
    """The project in a folder of its own and in a repository of its own."""
    shutil.copytree(SHOP, folder)
    (folder / ".gitignore").write_text(IGNORED, encoding="utf-8")
    return folder


def commit(folder: Path) -> None:
    """Everything, as one commit."""
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "All", "--allow-empty"]):
        person = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *person, *words], cwd=folder, check=True)


def mbp(folder: Path, *arguments: str, **more: str) -> Result:
    """What a command says in the project."""
    kept = {"MBP_PROJECT_DIR": str(folder), **more}
    before = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner().invoke(app, list(arguments), env=kept)
    finally:
        os.chdir(before)


def replace_in(path: Path, changes: Mapping[str, str]) -> None:
    """Each text, which has to be there, by another."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
