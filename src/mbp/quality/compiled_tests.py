"""The rules of a compiled project as plain SQL, for engines that are not dbt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.sql_guard import demand_expression, demand_query

# Of the tests on models that measure the datasets; they are no rules of a contract.
MEASUREMENT_PACK = "A87"
# dbt's own column tests, where a project does not replace them, return a value once for all rows that have it.
VALUE_COLUMNS = {
    "unique": "unique_field",
    "accepted_values": "value_field",
    "relationships": "from_field",
}


@dataclass(frozen=True)
class CompiledTest:
    """One enabled data test with the settings that turn its rows into a verdict.

    `upstream` holds the unique ids of every model and seed that its rows can depend on.
    """

    unique_id: str
    name: str
    rule_id: str
    sql: str
    fail_calculation: str
    error_if: str
    warn_if: str
    severity: str
    upstream: frozenset[str]


def read_tests(manifest: Mapping[str, Any]) -> tuple[CompiledTest, ...]:
    """The rules of a compiled manifest, whatever its raw tables are: the sample's or loaded ones.

    Raises:
        MbpError: a test without compiled SQL, or one that is not one query that only reads.
    """
    upstream = upstream_closure(manifest["nodes"])
    dialect = str((manifest.get("metadata") or {}).get("adapter_type") or "duckdb")
    return tuple(
        _read_test(node, upstream[unique_id], dialect)
        for unique_id, node in sorted(manifest["nodes"].items())
        if node["resource_type"] == "test"
        and (node["config"].get("meta") or {}).get("pack") != MEASUREMENT_PACK
    )


def upstream_closure(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Every node with all its ancestors, parents before children, in a stable order."""
    parents = {
        unique_id: sorted(set(nodes[unique_id]["depends_on"].get("nodes", [])) & nodes.keys())
        for unique_id in sorted(nodes)
    }
    closure: dict[str, frozenset[str]] = {}
    for unique_id in TopologicalSorter(parents).static_order():
        direct = parents[unique_id]
        closure[unique_id] = frozenset(direct).union(*(closure[parent] for parent in direct))
    return closure


def own_test(node: Mapping[str, Any]) -> str | None:
    """The name of a test that dbt brings itself; None for another one."""
    metadata = node.get("test_metadata") or {}
    return None if metadata.get("namespace") else metadata.get("name")


def value_column(node: Mapping[str, Any], code: str) -> str | None:
    """The column of the values that a test returns; None for a test that returns rows."""
    name = VALUE_COLUMNS.get(own_test(node) or "")
    return name if name and name in code else None


def compiled_code(node: Mapping[str, Any]) -> str:
    """The SQL of a model or test.

    Raises:
        MbpError: it has none, or it is Python.
    """
    code = node.get("compiled_code")
    if node.get("language", "sql") != "sql" or not code:
        raise MbpError(
            f"{node['unique_id']} has no compiled SQL",
            path=node.get("original_file_path"),
            fix="only SQL models and tests can be proved; check that `dbt compile` passes",
        )
    return str(code).strip().rstrip(";")


def _read_test(node: Mapping[str, Any], upstream: frozenset[str], dialect: str) -> CompiledTest:
    config = node["config"]
    code = compiled_code(node)
    place = node.get("original_file_path")
    demand_query(code, dialect, path=place)
    for key in ("fail_calc", "warn_if", "error_if"):
        if config.get(key):
            compared = "" if key == "fail_calc" else "failures "
            demand_expression(f"{compared}{config[key]}", path=place)
    if config.get("limit"):
        code = f"select * from ({code}\n) as limited limit {int(config['limit'])}"
    return CompiledTest(
        unique_id=node["unique_id"],
        name=node["name"],
        rule_id=str((config.get("meta") or {}).get("rule_id") or node["name"]),
        sql=code,
        fail_calculation=config.get("fail_calc") or "count(*)",
        error_if=config.get("error_if") or "!= 0",
        warn_if=config.get("warn_if") or "!= 0",
        severity=str(config.get("severity") or "error").lower(),
        upstream=upstream,
    )
