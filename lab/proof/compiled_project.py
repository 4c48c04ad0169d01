"""The project as plain SQL: compiled once by dbt, then run as often as there are faults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mbp.core.errors import MbpError
from mbp.quality.compiled_tests import (
    SEED_PREFIX,
    CompiledTest,
    compiled_code,
    compiled_sample,
    read_tests,
    upstream_closure,
)

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
    compiled SQL does not show what they do. `manifest` is dbt's.
    """

    database: str
    raw: tuple[RawRelation, ...]
    models: tuple[CompiledModel, ...]
    tests: tuple[CompiledTest, ...]
    overridden: tuple[str, ...] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict, repr=False)


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
    return read_project(compiled_sample(root, engine, changes=changes))


def read_project(manifest: Mapping[str, Any]) -> CompiledProject:
    """The rules of a compiled manifest, and what their rows depend on.

    Raises:
        MbpError: a node without compiled SQL, a Python model, no test at all, or a test that is not one
            query that only reads: contract and file can say no more than that.
    """
    nodes: Mapping[str, Mapping[str, Any]] = manifest["nodes"]
    upstream = upstream_closure(nodes)
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
    tests = read_tests(manifest)
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
    return CompiledProject(databases.pop(), raw, models, tests, _overridden(manifest), manifest)


def _overridden(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    adapter = str((manifest.get("metadata") or {}).get("adapter_type") or "duckdb")
    own = ("dbt", f"dbt_{adapter}")
    return tuple(
        f"{macro['name']} ({macro['original_file_path']})"
        for _, macro in sorted(manifest.get("macros", {}).items())
        if macro["package_name"] not in own and RUNS_TESTS.fullmatch(macro["name"])
    )


def _is_built(node: Mapping[str, Any]) -> bool:
    return str(node["config"]["materialized"]) != "ephemeral"


def _read_model(node: Mapping[str, Any], upstream: frozenset[str]) -> CompiledModel:
    return CompiledModel(
        unique_id=node["unique_id"],
        name=node["name"],
        schema=node["schema"],
        relation=node["relation_name"],
        sql=compiled_code(node),
        is_view=node["config"]["materialized"] == "view"
        and not (node["config"].get("contract") or {}).get("enforced"),
        upstream=upstream,
    )
