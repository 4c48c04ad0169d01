"""The project compiled by dbt, and its rules as plain SQL for engines that are not dbt."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mbp.contracts import Rule
from mbp.core.errors import MbpError
from mbp.core.sql_guard import demand_expression, demand_query
from mbp.runs.artifacts import read_artifact
from mbp.runs.dbt_process import demand, run_dbt
from mbp.runs.preflight import install_packages

# Of the tests on models that measure the datasets; they are no rules of a contract.
MEASUREMENT_PACK = "A87"
# dbt's own column tests, where a project does not replace them, return a value once for all rows that have it.
VALUE_COLUMNS = {
    "unique": "unique_field",
    "accepted_values": "value_field",
    "relationships": "from_field",
}
# dbt's defaults for a test; rules are rendered without these keys.
ARMED: Mapping[str, object] = {
    "error_if": "!= 0",
    "warn_if": "!= 0",
    "fail_calc": "count(*)",
    "limit": None,
    "where": None,
    "enabled": True,
}
# Of the seeds of raw tables, and of the schemas of loaded ones.
SEED_PREFIX = "raw_"


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


def parents_of(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Every node with those of the nodes that it depends on directly, in a stable order."""
    return {
        unique_id: sorted(
            set((nodes[unique_id].get("depends_on") or {}).get("nodes") or ()) & nodes.keys()
        )
        for unique_id in sorted(nodes)
    }


def upstream_closure(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    """Every node with all its ancestors, parents before children, in a stable order."""
    parents = parents_of(nodes)
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


def disarming(config: Mapping[str, Any], rule: Rule) -> str | None:
    """What makes the test weaker than its rule, wherever it was configured; None when nothing does."""
    wanted = {**ARMED, "severity": "warn" if rule.severity == "warning" else "error"}
    for key, value in wanted.items():
        setting = config.get(key, value)
        same = str(setting).lower() == str(value).lower() if key == "severity" else setting == value
        if not same:
            return (
                f"the test does not enforce the rule: `{key}` is {setting!r}, the contract means"
                f" {value!r}. Fix: remove `{key}` from dbt_project.yml or from the test"
            )
    return None


def compiled_sample(
    root: Path,
    engine: str,
    *,
    changes: Mapping[str, str] | None = None,
    variables: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """The manifest with the SQL of every node, over the sample's raw tables on an empty scratch database.

    Args:
        root: the dbt project.
        engine: duckdb or postgres; postgres takes its connection from the environment or `changes`.
        changes: environment variables for dbt, e.g. the address of a scratch server.
        variables: of dbt.

    Raises:
        MbpError: dbt could not compile.
    """
    install_packages(root)
    with TemporaryDirectory(prefix="mbp-prove-") as folder:
        settings = {
            **_replay(),
            "MBP_DUCKDB_PATH": str(Path(folder) / "mbp.duckdb"),
            **(changes or {}),
        }
        options = ("--full-refresh", "--vars", json.dumps(variables or {}))
        return compiled_manifest(root, engine, settings, options)


def _replay() -> Mapping[str, str]:
    """The sample is a replay: every fault is measured at the end of its data.

    Without variables that is so anyway, and dbt reads the whole project again for one that has appeared.
    """
    replay = {"MBP_RAW": "sample", "MBP_NOW": "end_of_data"}
    return replay if replay.keys() & os.environ.keys() else {}


def rule_queries(
    root: Path, target: str, changes: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Rule id -> a query that returns its failing rows on the target.

    Raises:
        MbpError: dbt cannot compile the project.
    """
    return queries_of(compiled_manifest(root, target, changes))


def compiled_manifest(
    root: Path,
    target: str,
    changes: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> dict[str, Any]:
    """dbt's manifest of the project with the SQL of every node, compiled for the target.

    Raises:
        MbpError: dbt cannot compile the project.
    """
    with TemporaryDirectory() as folder:
        place, command = Path(folder), ["compile", *options]
        demand(run_dbt(root, command, target=target, artifacts=place, changes=changes, quiet=True))
        return read_artifact(place / "target", "manifest.json", root)


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
