"""A copy of the parts that the contracts package reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from contracts_project import PARTS, SOON, Project


@pytest.fixture
def project(tmp_path: Path, project_root: Path) -> Project:
    """The contracts as committed, with warnings that expire soon: no test depends on the day."""
    for part in PARTS:
        shutil.copytree(project_root / part, tmp_path / part)
    (tmp_path / "dbt_project.yml").write_text("name: copy\n", encoding="utf-8")
    for path in sorted((tmp_path / "contracts/a106").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace("value: 2027-03-31", f"value: {SOON}"), encoding="utf-8")
    return Project(tmp_path)
