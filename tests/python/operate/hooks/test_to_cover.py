"""A KPI that broke recovers by a measurement of at least what it broke on, on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mbp.operate.hooks.hook_coverage import Collected, demand_coverage
from mbp.runs.dbt_process import environment
from mbp.warehouse import Warehouse, connect

ALL = frozenset(f"test.mbp.{number}" for number in range(238))
BROKEN = "test.mbp.7"


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(
    request: pytest.FixtureRequest, project_root: Path, tmp_path: Path
) -> Iterator[Warehouse]:
    changes = {"MBP_DUCKDB_PATH": str(tmp_path / "mbp.duckdb")}
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        changes = server.environment(request.getfixturevalue("postgres_database"))
    with environment(changes), connect(project_root, request.param) as opened:
        opened.execute("create schema verification")
        yield opened


def measured(covered: frozenset[str], *broken: str, kpi: str = "dbt_tests") -> Collected:
    return Collected(kpi, float(len(broken)), len(covered), "told", [], covered, frozenset(broken))


def value(warehouse: Warehouse, one: Collected, *excused: str) -> float | None:
    return demand_coverage(warehouse, one, excused).value


def test_a_part_closes_nothing_that_the_whole_opened(warehouse: Warehouse) -> None:
    assert value(warehouse, measured(ALL, BROKEN)) == 1
    one = frozenset({"test.mbp.1"})
    found = demand_coverage(warehouse, measured(one), ())
    assert (found.value, found.samples) == (None, 0)
    assert f"does not cover {BROKEN}, on which the KPI broke" in found.detail
    # Once more is not a way round it, nor is a measurement that failed.
    assert value(warehouse, measured(one)) is None
    assert value(warehouse, Collected("dbt_tests", None, 0, "no run", None)) is None
    assert value(warehouse, Collected("dbt_tests", None, 0, "void", None, ALL)) is None
    # A test that was taken out of the project is not fixed.
    assert value(warehouse, measured(ALL - {BROKEN})) is None
    assert value(warehouse, measured(ALL)) == 0
    assert value(warehouse, measured(one)) == 0


def test_what_breaks_meanwhile_has_to_be_covered_too(warehouse: Warehouse) -> None:
    value(warehouse, measured(ALL, BROKEN))
    assert value(warehouse, measured(frozenset({"test.mbp.1"}), "test.mbp.1")) is None
    assert value(warehouse, measured(frozenset({BROKEN}))) is None
    assert value(warehouse, measured(frozenset({"test.mbp.1"}))) == 0


def test_each_kpi_has_its_own(warehouse: Warehouse) -> None:
    value(warehouse, measured(ALL, BROKEN))
    assert value(warehouse, measured(frozenset(), kpi="schema_drift")) == 0


def test_what_the_policy_names_need_not_be_covered(warehouse: Warehouse) -> None:
    value(warehouse, measured(ALL, BROKEN))
    assert value(warehouse, measured(ALL - {BROKEN}), BROKEN) == 0
    assert value(warehouse, measured(ALL - {BROKEN})) == 0
