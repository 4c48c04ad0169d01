"""The rules of the project: every one is followed on both engines, and no open column is masked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mbp.contracts import load_contracts
from mbp.quality.classes import Classes, classified_names
from mbp.quality.column_lineage import Trust, trust_of
from mbp.quality.samples import columns_of
from tests.python.built import Built

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_every_rule_is_followed(built: Built, project_root: Path, engine: str) -> None:
    folder = built.artifacts(engine)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    contracts = load_contracts(project_root)
    classified = classified_names(contracts, manifest)
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    assert len(tests) > 100
    with built.open(engine) as warehouse:
        classes = Classes(contracts, manifest, dialect=engine, columns_of=columns_of(warehouse))
        for node in tests:
            sql = f"select * from (\n{node['compiled_code']}\n) as failing"
            columns, _ = warehouse.query(f"{sql}\nlimit 0")
            trusts = dict(zip(columns, trust_of(classes.follow(sql), columns), strict=True))
            assert Trust.UNKNOWN not in trusts.values(), (node["name"], trusts)
            masked = {name for name, trust in trusts.items() if trust is not Trust.OPEN}
            # Rows of the project's rules keep the names of columns, so the names say what must be masked.
            assert masked == classified & set(columns) or _renames(node), (node["name"], masked)


def _renames(node: dict) -> bool:  # type: ignore[type-arg]
    """dbt's own tests of one column call its value something else."""
    name = (node.get("test_metadata") or {}).get("name")
    return name in ("unique", "accepted_values", "relationships") and bool(node["column_name"])
