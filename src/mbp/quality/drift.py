"""Drift: where the working contract, the registry's head, the dbt manifest and the live tables differ.

Compared column by column: names, order, types with precision, nullability, keys, descriptions,
classification, and the tests that should exist. What is not there to be compared is drift too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mbp.contracts import Contract, load_contracts
from mbp.contracts.compatibility.diff import diff
from mbp.contracts.model import Column, Place
from mbp.contracts.published_versions import newest_published
from mbp.contracts.registry.odcs_documents import working
from mbp.core.settings import load_settings
from mbp.quality.compiled_tests import MEASUREMENT_PACK, disarming
from mbp.runs.artifacts import read_artifact
from mbp.runs.dbt_process import demand, run_dbt
from mbp.warehouse import Warehouse, connect

Node = Mapping[str, Any]
NODES = ("model", "seed", "snapshot")


@dataclass(frozen=True)
class Drift:
    """One difference.

    Attributes:
        where: registry, manifest, or live (with the engine).
        subject: `dataset` or `dataset.column`.
    """

    where: str
    subject: str
    what: str
    expected: str
    actual: str


@dataclass(frozen=True)
class LiveColumn:
    """A column as the catalog of the engine has it."""

    name: str
    type: str
    nullable: bool
    comment: str


@dataclass(frozen=True)
class Live:
    """A relation as the catalog of the engine has it; None columns: it does not exist."""

    columns: tuple[LiveColumn, ...] | None
    key: tuple[str, ...]


def find_drift(root: Path, targets: Sequence[str]) -> tuple[list[Drift], int]:
    """(differences, places compared).

    Args:
        targets: dbt targets whose live tables are compared.

    Raises:
        MbpError: contracts that cannot be read, a project that dbt cannot parse, or a warehouse that
            cannot be reached: a table that was not compared is not free of drift.
    """
    contracts, hosted = load_contracts(root), load_settings(root).hosted
    documents = working(root)
    drifts = [
        drift
        for contract in contracts
        for drift in against_registry(root, contract, documents[contract.dataset])
    ]
    with TemporaryDirectory() as folder:
        demand(run_dbt(root, ["parse"], artifacts=Path(folder), quiet=True))
        manifest = read_artifact(Path(folder) / "target", "manifest.json", root)
    for contract in contracts:
        drifts += against_manifest(contract, manifest, hosted=hosted)
    drifts += unknown_rules(contracts, manifest)
    for target in targets:
        with connect(root, target, read_only=True) as warehouse:
            read_live = _duckdb if warehouse.engine == "duckdb" else _postgres
            for contract in contracts:
                live = read_live(warehouse, contract.schema_in(warehouse), contract.dataset)
                keyed = declares_key(manifest, contract.dataset)
                view = is_view(manifest, contract.dataset)
                drifts += against_live(
                    contract, live, warehouse, keyed=keyed, view=view, hosted=hosted
                )
    return drifts, len(contracts) * (2 + len(targets))


def against_registry(
    root: Path, contract: Contract, document: Mapping[str, Any]
) -> Iterator[Drift]:
    """The working contract against the newest published version."""
    head = newest_published(root, contract.dataset)
    if head is None:
        yield Drift("registry", contract.dataset, "not published", contract.version, "nothing")
        return
    if str(head.version) != contract.version:
        yield Drift("registry", contract.dataset, "version", contract.version, str(head.version))
    for change in diff(head.contract, document):
        yield Drift("registry", change.path, change.code, str(change.new), str(change.old))


def against_manifest(
    contract: Contract, manifest: Mapping[str, Any], *, hosted: bool = False
) -> Iterator[Drift]:
    """The contract against the model that dbt builds for it.

    Args:
        hosted: the properties of the model belong to the project; the contract renders its tests alone.
    """
    dataset = contract.dataset
    node = model_of(manifest, dataset)
    if node is None:
        yield Drift("manifest", dataset, "no model", "a model", "nothing")
        return
    yield from _tests_drift(contract, manifest)
    if hosted:
        return
    enforced = (node.get("config") or {}).get("contract", {}).get("enforced")
    if enforced is not True and not is_unenforced(node):
        yield Drift("manifest", dataset, "contract enforced", "True", str(enforced))
    columns: Mapping[str, Node] = node.get("columns") or {}
    wanted = [column.name for column in contract.columns]
    view = is_view(manifest, dataset)
    if list(columns) != wanted:
        yield Drift("manifest", dataset, "columns in order", ", ".join(wanted), ", ".join(columns))
    for column in contract.columns:
        if column.name in columns:
            yield from _manifest_column(dataset, column, columns[column.name], view)


def _tests_drift(contract: Contract, manifest: Mapping[str, Any]) -> Iterator[Drift]:
    dataset, tests = contract.dataset, _tests(manifest)
    for rule in contract.rules:
        test = tests.get(rule.id)
        if test is None:
            yield Drift("manifest", dataset, f"test of {rule.id}", "a test", "none")
        elif weak := disarming(test.get("config") or {}, rule):
            yield Drift("manifest", dataset, f"test of {rule.id}", "as strong as its rule", weak)


def _manifest_column(dataset: str, column: Column, node: Node, view: bool) -> Iterator[Drift]:
    subject = f"{dataset}.{column.name}"
    kinds = {str(constraint.get("type")) for constraint in node.get("constraints") or ()}
    meta = node.get("meta") or (node.get("config") or {}).get("meta") or {}
    first: list[tuple[str, Any, Any]] = [("type", column.physical_type, node.get("data_type"))]
    first += [] if view else [("required", column.required, "not_null" in kinds)]
    yield from _compared(subject, first)
    yield from _description("manifest", subject, column, str(node.get("description") or ""))
    last = [
        ("classification", column.classification, meta.get("classification")),
        ("unit", column.unit, meta.get("unit")),
    ]
    yield from _compared(subject, last)


def _compared(subject: str, pairs: Sequence[tuple[str, Any, Any]]) -> Iterator[Drift]:
    for what, wanted, actual in pairs:
        if wanted != actual:
            yield Drift("manifest", subject, what, str(wanted), str(actual))


def _description(where: str, subject: str, column: Column, text: str) -> Iterator[Drift]:
    if _words(column.description) not in _words(text):
        yield Drift(where, subject, "description", column.description, text or "nothing")


def unknown_rules(contracts: Sequence[Contract], manifest: Mapping[str, Any]) -> Iterator[Drift]:
    """Tests that claim a rule which no contract has."""
    known = {rule.id for contract in contracts for rule in contract.rules}
    for rule_id, test in sorted(_tests(manifest).items()):
        # Models beside the public datasets carry their own tests, which are not rules of a contract.
        if rule_id not in known and test["config"]["meta"].get("pack") != MEASUREMENT_PACK:
            yield Drift("manifest", str(test["name"]), "test of an unknown rule", "none", rule_id)


def model_of(manifest: Mapping[str, Any], dataset: str) -> Node | None:
    """The model, seed or snapshot of the dataset."""
    return next(
        (
            node
            for node in manifest["nodes"].values()
            if node["resource_type"] in NODES and node["name"] == dataset
        ),
        None,
    )


def declares_key(manifest: Mapping[str, Any], dataset: str) -> bool:
    """The model has a primary key constraint; an incremental one on DuckDB has a test instead."""
    node = model_of(manifest, dataset) or {}
    return any(
        constraint.get("type") == "primary_key" for constraint in node.get("constraints") or ()
    )


def is_view(manifest: Mapping[str, Any], dataset: str) -> bool:
    """The dataset has no constraints, as a view, a seed or a model in Python: tests alone keep nulls out of it."""
    config = (model_of(manifest, dataset) or {}).get("config") or {}
    node = model_of(manifest, dataset) or {}
    return bool(config.get("materialized") == "view") or is_unenforced(node)


def is_unenforced(node: Node) -> bool:
    """dbt enforces no contract on it: a seed, or a model in Python."""
    return node.get("resource_type") == "seed" or node.get("language") == "python"


def _tests(manifest: Mapping[str, Any]) -> dict[str, Node]:
    results: dict[str, Node] = {}
    for node in manifest["nodes"].values():
        meta = (node.get("config") or {}).get("meta") or {}
        if node["resource_type"] == "test" and meta.get("rule_id"):
            results[str(meta["rule_id"])] = node
    return results


def _duckdb(warehouse: Warehouse, schema: str, dataset: str) -> Live:
    _, rows = warehouse.query(
        "select column_name, data_type, is_nullable, coalesce(comment, '') from duckdb_columns()"
        " where schema_name = ? and table_name = ? and database_name = current_database()"
        " order by column_index",
        [schema, dataset],
    )
    _, keys = warehouse.query(
        "select constraint_column_names from duckdb_constraints() where schema_name = ?"
        " and table_name = ? and constraint_type = 'PRIMARY KEY'",
        [schema, dataset],
    )
    key = tuple(keys[0][0]) if keys else ()
    return Live(tuple(LiveColumn(*row) for row in rows) or None, key)


def _postgres(warehouse: Warehouse, schema: str, dataset: str) -> Live:
    _, rows = warehouse.query(
        "select a.attname, format_type(a.atttypid, a.atttypmod), not a.attnotnull,"
        " coalesce(col_description(a.attrelid, a.attnum), '')"
        " from pg_attribute as a where a.attrelid = to_regclass(%s)"
        " and a.attnum > 0 and not a.attisdropped order by a.attnum",
        [f"{schema}.{dataset}"],
    )
    _, keys = warehouse.query(
        "select a.attname from pg_index as i cross join lateral unnest(i.indkey) with ordinality"
        " as k(attnum, position) inner join pg_attribute as a on a.attrelid = i.indrelid"
        " and a.attnum = k.attnum where i.indrelid = to_regclass(%s) and i.indisprimary"
        " order by k.position",
        [f"{schema}.{dataset}"],
    )
    columns = tuple(LiveColumn(*row) for row in rows)
    return Live(columns or None, tuple(row[0] for row in keys))


def against_live(
    contract: Contract,
    live: Live,
    warehouse: Place,
    *,
    keyed: bool,
    view: bool = False,
    hosted: bool = False,
) -> Iterator[Drift]:
    """The contract against the table that is served.

    Args:
        keyed: the model declares a primary key, so the table must have it.
        view: it has no table, so its columns are not required by a constraint.
        hosted: as of `against_manifest`: tests alone hold what is required and the key.
    """
    engine, dataset = warehouse.engine, contract.dataset
    where = f"live ({engine})"
    if live.columns is None:
        relation = f"{contract.schema_in(warehouse)}.{dataset}"
        yield Drift(where, dataset, "no relation", relation, "nothing")
        return
    wanted = [column.name for column in contract.columns]
    names = [column.name for column in live.columns]
    if names != wanted:
        yield Drift(where, dataset, "columns in order", ", ".join(wanted), ", ".join(names))
    by_name = {column.name: column for column in live.columns}
    for column in contract.columns:
        if column.name in by_name:
            drifts = _live_column(where, dataset, column, by_name[column.name], engine, view)
            yield from (drift for drift in drifts if not hosted or drift.what == "type")
    key = (contract.key.name,) if keyed else ()
    if keyed and live.key != key:
        yield Drift(where, dataset, "primary key", ", ".join(key), ", ".join(live.key) or "none")


def _live_column(
    where: str, dataset: str, column: Column, live: LiveColumn, engine: str, view: bool
) -> Iterator[Drift]:
    subject = f"{dataset}.{column.name}"
    wanted = column.physical_types[engine]
    if live.type.lower() != wanted.lower():
        yield Drift(where, subject, "type", wanted, live.type)
    if not view and live.nullable == column.required:
        yield Drift(where, subject, "required", str(column.required), str(not live.nullable))
    yield from _description(where, subject, column, live.comment)


def _words(text: str) -> str:
    return " ".join(text.split())
