"""Copies of the project, and rules of a tiny one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mbp.contracts.model import Rule

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
