"""The main job on a real PostgreSQL: green, and the same rows and types as on DuckDB."""

from __future__ import annotations

import os

import pytest

from lab.canonical import compare, relation_of
from mbp.contracts import load_contracts
from tests.python.built import Built

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.parametrize("target", ["duckdb", "postgres"])
def test_every_model_and_test_passes(built: Built, target: str) -> None:
    ran = built.outcomes[target]
    assert [one for one in ran if one.status not in ("success", "pass", "no-op")] == []
    assert len(ran) > 100


def test_both_engines_ran_the_same_nodes(built: Built) -> None:
    ran = {target: {one.node for one in outcome} for target, outcome in built.outcomes.items()}
    assert ran["duckdb"] == ran["postgres"]


def test_public_datasets_are_equal_row_by_row_and_type_by_type(built: Built) -> None:
    contracts = load_contracts(built.root)
    assert contracts
    with built.open("duckdb") as duckdb, built.open("postgres") as postgres:
        for contract in contracts:
            left = relation_of(duckdb, "marts", contract.dataset, contract.key.name)
            right = relation_of(postgres, "marts", contract.dataset, contract.key.name)
            assert left.rows, contract.dataset
            assert compare(left, right) == []


def test_recomputed_averages_are_equal_on_both_engines(built: Built) -> None:
    """Floating point may differ in the last place of the sum, so they agree to the eighth decimal."""
    sql = "select quote_id, recomputed_twap_5m from intermediate.int_mbp__quotes_twap order by quote_id"
    with built.open("duckdb") as duckdb, built.open("postgres") as postgres:
        _, left = duckdb.query(sql)
        _, right = postgres.query(sql)
    assert len(left) == len(right) > 1000
    for (key, ours), (other_key, theirs) in zip(sorted(left), sorted(right), strict=True):
        assert key == other_key
        assert abs(float(ours) - float(theirs)) <= 1e-8


def test_live_types_are_those_of_the_contract(built: Built) -> None:
    sql = (
        "select column_name, data_type, numeric_precision, numeric_scale, is_nullable"
        " from information_schema.columns where table_schema = 'marts' and table_name = '{}'"
        " order by ordinal_position"
    )
    for target in ("duckdb", "postgres"):
        with built.open(target) as warehouse:
            for contract in load_contracts(built.root):
                _, found = warehouse.query(sql.format(contract.dataset))
                assert [row[0] for row in found] == [column.name for column in contract.columns]
                for column, (_, data_type, precision, scale, nullable) in zip(
                    contract.columns, found, strict=True
                ):
                    live = data_type.lower()
                    if live == "numeric":
                        live = f"numeric({precision},{scale})"
                    assert live == column.physical_types[target].lower(), (target, column.name)
                    assert (nullable == "NO") is column.required, (target, column.name)


def test_quotes_are_found_by_index_on_postgres(built: Built) -> None:
    sql = "select indexdef from pg_indexes where schemaname = 'marts' and tablename = 'mbp_quotes'"
    with built.open("postgres") as postgres:
        _, found = postgres.query(sql)
    definitions = " ".join(row[0] for row in found)
    assert "UNIQUE" in definitions and "(quote_id)" in definitions
    assert "(market_id, quoted_at)" in definitions
    assert os.environ.get("MBP_PG_PASSWORD") is None
