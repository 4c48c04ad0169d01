"""Copies of the project; one with a whole run that passed, made once; rules of a tiny one."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mbp.contracts.model import Rule
from tests.python.runs.project import Project, make_project

PROJECT_FILES = (
    *("dbt_project.yml", "packages.yml", "profiles.example.yml", "selectors.yml"),
    *("contracts", "docs", "macros", "models", "packages", "seeds", "tests/dbt"),
)


def _copy(source: Path, target: Path) -> None:
    """The parts of the project that dbt and the contracts read."""
    for name in PROJECT_FILES:
        origin = source / name
        if origin.is_dir():
            shutil.copytree(origin, target / name)
        elif origin.is_file():
            shutil.copyfile(origin, target / name)


@pytest.fixture(scope="session")
def copy_project() -> Callable[[Path, Path], None]:
    return _copy


def rule(rule_id: str, column: str, family: str) -> Rule:
    return Rule(
        id=rule_id,
        dataset="mbp_quotes",
        family=family,
        dimension="completeness",
        severity="error",
        owner="DATA",
        description="what must hold",
        reason=None,
        expires=None,
        columns=(column,),
        test=family,
        arguments={},
        origin="derived",
        path="contracts/a106/mbp_quotes.odcs.yaml",
        line=1,
        column=column,
    )


@pytest.fixture
def contract_rules() -> list[Rule]:
    return [
        rule("mbp_quotes_price_not_null", "price", "not_null"),
        rule("mbp_quotes_quote_id_unique", "quote_id", "unique"),
    ]


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
