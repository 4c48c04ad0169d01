"""The project as plain SQL: compiled once by dbt, then run as often as there are faults."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.core.sql_guard import demand_expression, demand_query
from mbp.runs.dbt_process import demand, run_dbt
from mbp.runs.preflight import install_packages

SEED_PREFIX = "raw_"
# Of the tests on models that measure the datasets; they are no rules of a contract.
MEASUREMENT_PACK = "A87"
# With these dbt runs a test: the materialization, the query around the rule's rows, and the call to the engine.
RUNS_TESTS = re.compile(r"materialization_test_\w+|(\w+__)?get_test_sql|statement")


@dataclass(frozen=True)
class CompiledModel:
    """One enabled model: `relation` is quoted as the engine wants it, `upstream` is transitive.

    A dataset under contract is no view here: faults of its rows are made in it.
    """

    unique_id: str
    name: str
    schema: str
    relation: str
    sql: str
    is_view: bool
    upstream: frozenset[str]


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


@dataclass(frozen=True)
class RawRelation:
    """Where the compiled SQL expects one raw table: key `<source>.<table>` and the quoted relation.

    `columns` are (name, type on this engine) as the seed's properties give them, in order.
    """

    unique_id: str
    key: str
    schema: str
    relation: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class CompiledProject:
    """Everything the proof needs, in the order in which it must run.

    `overridden` names macros of the project that dbt would use instead of the dbt macro to run a test: the
    compiled SQL does not show what they do.
    """

    database: str
    raw: tuple[RawRelation, ...]
    models: tuple[CompiledModel, ...]
    tests: tuple[CompiledTest, ...]
    overridden: tuple[str, ...] = ()


def compile_project(
    root: Path, engine: str, *, changes: Mapping[str, str] | None = None
) -> CompiledProject:
    """Compiles the project over the sample's raw tables on an empty scratch database.

    Args:
        root: the dbt project.
        engine: duckdb or postgres; postgres takes its connection from the environment or `changes`.
        changes: environment variables for dbt, e.g. the address of a scratch server.

    Raises:
        MbpError: dbt could not compile, or there is nothing to test.
    """
    install_packages(root)
    with tempfile.TemporaryDirectory(prefix="mbp-prove-") as folder:
        scratch = Path(folder)
        settings = {
            # The sample is a replay: every fault is measured at the end of its data.
            "MBP_RAW": "sample",
            "MBP_NOW": "end_of_data",
            "MBP_DUCKDB_PATH": str(scratch / "mbp.duckdb"),
            **(changes or {}),
        }
        demand(
            run_dbt(
                root,
                ["compile", "--full-refresh"],
                target=engine,
                artifacts=scratch,
                changes=settings,
                quiet=True,
            )
        )
        manifest = json.loads((scratch / "target" / "manifest.json").read_text(encoding="utf-8"))
    return read_project(manifest)


def read_project(manifest: Mapping[str, Any]) -> CompiledProject:
    """The rules of a compiled manifest, and what their rows depend on.

    Raises:
        MbpError: a node without compiled SQL, a Python model, no test at all, or a test that is not one
            query that only reads: contract and file can say no more than that.
    """
    nodes: Mapping[str, Mapping[str, Any]] = manifest["nodes"]
    upstream = _upstream_closure(nodes)
    raw = tuple(
        RawRelation(
            unique_id=unique_id,
            key=node["name"].removeprefix(SEED_PREFIX).replace("__", ".", 1),
            schema=node["schema"],
            relation=node["relation_name"],
            columns=tuple((node["config"].get("column_types") or {}).items()),
        )
        for unique_id, node in sorted(nodes.items())
        if node["resource_type"] == "seed" and node["name"].startswith(SEED_PREFIX)
    )
    tests = _read_tests(manifest, upstream)
    needed = frozenset[str]().union(*(test.upstream for test in tests))
    order = [
        unique_id
        for unique_id in upstream
        if unique_id in needed
        and nodes[unique_id]["resource_type"] == "model"
        and _is_built(nodes[unique_id])
    ]
    models = tuple(_read_model(nodes[unique_id], upstream[unique_id]) for unique_id in order)
    if not tests or not models or not raw:
        raise MbpError(
            f"nothing to prove: {len(raw)} raw tables, {len(models)} models, {len(tests)} tests",
            fix="build the project with its seeds, models and tests enabled",
        )
    databases = {nodes[unique_id]["database"] for unique_id in order}
    if len(databases) != 1:
        raise MbpError(
            f"models live in several databases: {', '.join(sorted(databases))}",
            fix="build them in one database",
        )
    return CompiledProject(databases.pop(), raw, models, tests, _overridden(manifest))


def _overridden(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    adapter = str((manifest.get("metadata") or {}).get("adapter_type") or "duckdb")
    own = ("dbt", f"dbt_{adapter}")
    return tuple(
        f"{macro['name']} ({macro['original_file_path']})"
        for _, macro in sorted(manifest.get("macros", {}).items())
        if macro["package_name"] not in own and RUNS_TESTS.fullmatch(macro["name"])
    )


def read_tests(manifest: Mapping[str, Any]) -> tuple[CompiledTest, ...]:
    """The rules of a compiled manifest alone, whatever its raw tables are: the sample's or loaded ones.

    Raises:
        MbpError: a test without compiled SQL, or one that is not one query that only reads.
    """
    return _read_tests(manifest, _upstream_closure(manifest["nodes"]))


def _read_tests(
    manifest: Mapping[str, Any], upstream: Mapping[str, frozenset[str]]
) -> tuple[CompiledTest, ...]:
    dialect = str((manifest.get("metadata") or {}).get("adapter_type") or "duckdb")
    return tuple(
        _read_test(node, upstream[unique_id], dialect)
        for unique_id, node in sorted(manifest["nodes"].items())
        if node["resource_type"] == "test"
        and (node["config"].get("meta") or {}).get("pack") != MEASUREMENT_PACK
    )


def _upstream_closure(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, frozenset[str]]:
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


def _is_built(node: Mapping[str, Any]) -> bool:
    return str(node["config"]["materialized"]) != "ephemeral"


def _compiled_code(node: Mapping[str, Any]) -> str:
    code = node.get("compiled_code")
    if node.get("language", "sql") != "sql" or not code:
        raise MbpError(
            f"{node['unique_id']} has no compiled SQL",
            path=node.get("original_file_path"),
            fix="only SQL models and tests can be proved; check that `dbt compile` passes",
        )
    return str(code).strip().rstrip(";")


def _read_model(node: Mapping[str, Any], upstream: frozenset[str]) -> CompiledModel:
    return CompiledModel(
        unique_id=node["unique_id"],
        name=node["name"],
        schema=node["schema"],
        relation=node["relation_name"],
        sql=_compiled_code(node),
        is_view=node["config"]["materialized"] == "view"
        and not (node["config"].get("contract") or {}).get("enforced"),
        upstream=upstream,
    )


def _read_test(node: Mapping[str, Any], upstream: frozenset[str], dialect: str) -> CompiledTest:
    config = node["config"]
    code = _compiled_code(node)
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
