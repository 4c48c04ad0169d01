"""A project with a whole run that passed, made once; a test spoils a copy of it."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.python.runs.project import Project, make_project


@pytest.fixture(scope="session")
def whole(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_project(project_root, tmp_path_factory.mktemp("measured") / "project")


@pytest.fixture
def project(whole: Project, tmp_path: Path) -> Iterator[Project]:
    root = tmp_path / "project"
    shutil.copytree(whole.root, root)
    found = Project(
        root, copy.deepcopy(whole.manifest), copy.deepcopy(whole.run_results), whole.began
    )
    with found.inside():
        yield found
