"""The whole project on a Spark of several processes: built, tested, and the same rows as on DuckDB."""

from __future__ import annotations

import pytest

from lab.canonical import compare, relation_of
from mbp.contracts import load_contracts
from tests.python.spark import cluster
from tests.python.spark.conftest import Both

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.timeout(1800)]


def test_executors_are_processes_of_their_own_and_did_the_work(both: Both) -> None:
    assert len(cluster.executor_processes()) == 2
    tasks = cluster.tasks_by_executor(both.session)
    assert set(tasks) == {"driver", "0", "1"}
    assert tasks["driver"] == 0
    assert min(tasks["0"], tasks["1"]) > 100


def test_every_model_test_and_unit_test_passes(both: Both) -> None:
    outcome = both.outcomes["spark"]
    assert outcome.problem is None
    bad = [
        f"{result.node.name}: {result.status} {result.message}"
        for result in outcome.result
        if str(result.status) not in ("success", "pass", "no-op")
    ]
    assert not bad
    kinds = [str(result.node.resource_type) for result in outcome.result]
    assert kinds.count("unit_test") >= 5
    assert kinds.count("test") > 100


def test_the_same_nodes_ran_as_on_duckdb(both: Both) -> None:
    ran = {
        engine: {result.node.unique_id for result in outcome.result}
        for engine, outcome in both.outcomes.items()
    }
    assert ran["duckdb"] == ran["spark"]


def test_public_datasets_are_equal_row_by_row_and_type_by_type(both: Both) -> None:
    contracts = load_contracts(both.root)
    assert contracts
    with both.duckdb() as duckdb:
        for contract in contracts:
            place = "marts", contract.dataset, contract.key.name
            left, right = relation_of(duckdb, *place), cluster.relation_of(both.session, *place)
            assert left.rows, contract.dataset
            assert compare(left, right) == []


def test_live_types_are_those_of_the_contract(both: Both) -> None:
    for contract in load_contracts(both.root):
        fields = both.session.table(f"marts.{contract.dataset}").schema.fields
        live = {field.name: field.dataType.simpleString() for field in fields}
        assert live == {
            column.name: column.physical_types["spark"].lower() for column in contract.columns
        }


def test_kpi_windows_are_equal_with_their_verdicts(both: Both) -> None:
    place = "reliability", "kpi_windows", "window_id"
    with both.duckdb() as duckdb:
        left = relation_of(duckdb, *place)
        _, kpis = duckdb.query("select distinct kpi_id from reliability.kpi_windows order by 1")
    assert len(left.rows) > 1000
    assert len(kpis) >= 10
    assert compare(left, cluster.relation_of(both.session, *place)) == []


def test_readers_see_marks_where_they_do_on_duckdb(both: Both) -> None:
    sql = "select resolution_id, decided_by_hash from published.mbp_resolutions order by 1"
    with both.duckdb() as duckdb:
        _, expected = duckdb.query(sql)
    found = [tuple(row) for row in both.session.sql(sql).collect()]
    assert found == expected
    assert any(mark and mark.startswith("…") for _, mark in found)
