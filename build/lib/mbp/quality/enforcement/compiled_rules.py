"""The SQL of every rule, compiled by dbt for the warehouse that is checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mbp.contracts.model import Rule
from mbp.core.errors import MbpError
from mbp.quality.compiled_project import read_tests
from mbp.runs.dbt_process import demand, run_dbt


def rule_queries(
    root: Path, target: str, changes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Rule id -> a query that returns its failing rows on the target.

    Raises:
        MbpError: dbt cannot compile the project.
    """
    return queries_of(compiled_manifest(root, target, changes))


def compiled_manifest(
    root: Path, target: str, changes: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """dbt's manifest of the project with the SQL of every node, compiled for the target.

    Raises:
        MbpError: dbt cannot compile the project.
    """
    with TemporaryDirectory() as folder:
        demand(
            run_dbt(
                root,
                ["compile"],
                target=target,
                artifacts=Path(folder),
                changes=changes,
                quiet=True,
            )
        )
        text = (Path(folder) / "target" / "manifest.json").read_text(encoding="utf-8")
    manifest: dict[str, Any] = json.loads(text)
    return manifest


def queries_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Rule id -> a query that returns its failing rows.

    Raises:
        MbpError: no test carries a rule.
    """
    queries = {test.rule_id: test.sql for test in read_tests(manifest)}
    if not queries:
        raise MbpError("no rule has a test: nothing to enforce", fix="run `mbp contracts render`")
    return queries


def query_of(rule: Rule, queries: Mapping[str, str]) -> str:
    """The compiled SQL of the rule.

    Raises:
        MbpError: no test carries it.
    """
    if rule.id not in queries:
        raise MbpError(
            f"no test carries the rule {rule.id}",
            path=rule.path,
            line=rule.line,
            fix="run `mbp contracts render`",
        )
    return queries[rule.id]
