"""The layers of docs/architecture.md: `make lint` holds them, and would notice who breaks them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def copy_code(root: Path, folder: Path) -> None:
    for part in ("src", "lab"):
        shutil.copytree(root / part, folder / part)
    shutil.copyfile(root / "pyproject.toml", folder / "pyproject.toml")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        ("src/mbp/core/files.py", "from mbp.contracts import model", "A layer imports only layers"),
        ("src/mbp/core/files.py", "def f():\n    import mbp.cli", "A layer imports only layers"),
        ("src/mbp/quality/drift.py", "import lab.sample", "The product does not import the lab"),
        ("src/mbp/contracts/model.py", "from mbp.contracts import contract_loading", "No cycles"),
        (
            "src/mbp/cli/commands/gate.py",
            "from mbp.cli.commands import load",
            "A command knows no other command",
        ),
    ],
    ids=["upward", "upward in a function", "lab", "cycle", "siblings"],
)
def test_who_breaks_the_layers_is_named(
    project_root: Path, tmp_path: Path, file: str, line: str, broken: str
) -> None:
    copy_code(project_root, tmp_path)
    path = tmp_path / file
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    finished = lint(tmp_path)
    assert finished.returncode == 1
    assert broken in finished.stdout
    assert "BROKEN" in next(row for row in finished.stdout.splitlines() if row.startswith(broken))


def test_a_new_layer_without_a_place_is_refused(project_root: Path, tmp_path: Path) -> None:
    copy_code(project_root, tmp_path)
    (tmp_path / "src/mbp/helpers").mkdir()
    (tmp_path / "src/mbp/helpers/__init__.py").write_text("")
    finished = lint(tmp_path)
    assert finished.returncode == 1
    assert "helpers" in finished.stdout
