"""The law of absent facts: whatever stands in for a column that a source lacks, what is measured stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lab.proof.compiled_project import compile_project
from lab.proof.proof_project import ProofProject
from lab.proof.sandbox_duckdb import DuckdbSandbox
from lab.simulate import Parameters, generate
from mbp.contracts import load_contracts
from mbp.contracts.raw_columns import logged
from mbp.core.paths import project_root
from mbp.quality.measurable import project_reads

# Two values of each type that no sensible row has, and that no rule of a type could tell apart from a wrong one.
STAND_INS: dict[str, tuple[Any, Any]] = {
    "number": ("0", "123456"),
    "integer": ("0", "123456"),
    "timestamp": ("1970-01-01 00:00:00+00", "2031-05-05 05:05:05+00"),
    "string": ("", "stand-in"),
}


def columns() -> Iterator[tuple[str, str, str, str]]:
    """Dataset, raw table, column and logical type of every fact that a source may lack."""
    for contract, log in logged(load_contracts(project_root(Path(__file__).parent))):
        for column in contract.logged_columns:
            if column.name != log.key:
                yield contract.dataset, log.table, column.name, column.logical_type


@cache
def built(root: Path) -> tuple[ProofProject, dict[str, Any]]:
    project = compile_project(root, "duckdb")
    schemas = {raw.schema for raw in project.raw} | {model.schema for model in project.models}
    sandbox = DuckdbSandbox(project.database, sorted(schemas))
    stage = ProofProject(sandbox, project)
    clean = generate(Parameters())
    assert stage.build(clean) == []
    return stage, clean


@pytest.mark.parametrize(("dataset", "table", "column", "kind"), list(columns()))
def test_no_verdict_that_counts_follows_from_a_stand_in(
    project_root: Path, dataset: str, table: str, column: str, kind: str
) -> None:
    stage, clean = built(project_root)
    reads = project_reads(project_root, {dataset: [column]}).rules
    measured = {rule for rule, raw in reads.items() if f"mbp.{table}.{column}" not in raw}
    assert measured and len(measured) < len(reads), (
        "some rule reads the column, and not all of them"
    )
    rows = clean[f"mbp.{table}"]
    verdicts = []
    for value in STAND_INS[kind]:
        filled = pa.array([value] * len(rows)).cast(rows.schema.field(column).type)
        changed = rows.set_column(rows.schema.get_field_index(column), column, filled)
        seen = stage.with_changes({f"mbp.{table}": changed})
        verdicts.append(
            [
                (entry.rule_id, entry.outcome, entry.rows)
                for entry in seen
                if entry.rule_id in measured
            ]
        )
    assert verdicts[0] == verdicts[1] == []
