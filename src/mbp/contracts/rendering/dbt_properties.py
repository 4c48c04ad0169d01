"""dbt properties: from the raw tables (sources, seeds, staging, latest state) to the public models and their tests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mbp.contracts.model import Column, Contract, Rule, ServiceLevel
from mbp.contracts.raw_columns import (
    CHANGE_LOG,
    RAW_TYPES,
    RawColumn,
    RawTable,
    change_logs,
    doc_name,
    logged,
    own_columns,
    row_noun,
)
from mbp.contracts.rendering.yaml_text import properties_text
from mbp.core.errors import MbpError

PERIODS = (("day", 86400), ("hour", 3600), ("minute", 60))
SOURCES = {
    "mbp": "Append-only change logs of the market's own tables, in Debezium's flattened shape.",
    "ops": "Telemetry as it was collected; spans, web vitals, the audit log, sampled log lines, check results.",
}
# How macros/logs/change_log_columns.sql types and names the change log: column -> doc block.
STAGED = {
    "change_operation": "change_log__op",
    "is_deleted": "change_log__is_deleted",
    "log_position": "change_log__source_lsn",
    "committed_at": "change_log__committed_at",
    "loaded_at": "change_log__loaded_at",
}
# What macros/logs/latest_change.sql adds to the columns of the dataset.
LATEST = {
    **{name: STAGED[name] for name in ("is_deleted", "log_position", "loaded_at")},
    "first_loaded_at": "change_log__first_loaded_at",
}
SEED_TYPES = {"text": "varchar"}
DBT_SEVERITY = {"error": "error", "warning": "warn"}


def change_log_sources_yaml(contracts: Sequence[Contract]) -> str:
    """models/sources/_raw_mbp__sources.gen.yml.

    Raises:
        MbpError: a freshness without a half in whole minutes.
    """
    tables = [
        _source_table(table, contract.service_level("freshness"), contract)
        for table, (contract, _) in zip(change_logs(contracts), logged(contracts), strict=True)
    ]
    return _sources_yaml("mbp", tables)


def telemetry_sources_yaml(tables: Iterable[RawTable]) -> str:
    """models/sources/_raw_ops__sources.gen.yml."""
    return _sources_yaml("ops", [_source_table(table) for table in tables])


def seeds_yaml(contracts: Sequence[Contract], telemetry: Iterable[RawTable]) -> str:
    """seeds/sample/_sample__seeds.gen.yml; types are given, so that no engine guesses them."""
    seeds = [
        {
            "name": f"raw_{family}__{table.name}",
            "description": f"The committed sample. {table.description}",
            "config": {
                "schema": f"sample_{family}",
                "alias": table.name,
                "tags": ["raw"],
                "column_types": {
                    column.name: SEED_TYPES.get(column.type, column.type)
                    for column in table.columns
                },
            },
            "columns": [_described(column.name, column.doc) for column in table.columns],
        }
        for family, tables in (("mbp", change_logs(contracts)), ("ops", telemetry))
        for table in tables
    ]
    return properties_text(seeds=seeds)


def staging_yaml(contracts: Sequence[Contract]) -> str:
    """models/staging/mbp/_mbp_staging__models.gen.yml."""
    models = [
        {
            "name": log.staging,
            "description": f"One row per delivered change of {row_noun(contract)}, typed; "
            "redeliveries are still in it.",
            "columns": _columns(own_columns(contract), STAGED),
        }
        for contract, log in logged(contracts)
    ]
    return properties_text(models=models)


def telemetry_staging_yaml(tables: Iterable[RawTable]) -> str:
    """models/staging/ops/_ops_staging__models.gen.yml."""
    models = [
        {
            "name": f"stg_ops__{table.name}",
            "description": f"{table.description.rstrip('.')}, typed.",
            "columns": _columns(table.staged, {"loaded_at": STAGED["loaded_at"]}),
        }
        for table in tables
    ]
    return properties_text(models=models)


def latest_yaml(contracts: Sequence[Contract]) -> str:
    """models/intermediate/_intermediate__latest.gen.yml."""
    models = [
        {
            "name": log.latest,
            "description": f"One row per key of {log.table}, with the change in force; a deleted "
            "row stays as a tombstone, so that an older change arriving late cannot bring it back.",
            "columns": _columns(own_columns(contract), LATEST),
        }
        for contract, log in logged(contracts)
    ]
    return properties_text(models=models)


def _sources_yaml(family: str, tables: list[dict[str, Any]]) -> str:
    source = {
        "name": f"raw_{family}",
        "description": SOURCES[family],
        # The committed sample and loaded data live apart: see macros/engine/raw_log.sql.
        "schema": f"{{{{ 'sample_{family}' if env_var('MBP_RAW', 'sample') == 'sample' "
        f"else 'raw_{family}' }}}}",
        "loader": "CDC, mbp load or the committed sample",
        "config": {
            "loaded_at_field": CHANGE_LOG[-1].name,
            "tags": ["raw"],
            "meta": {"owner": "DATA"},
        },
        "tables": tables,
    }
    return properties_text(sources=[source])


def _source_table(
    table: RawTable, freshness: ServiceLevel | None = None, contract: Contract | None = None
) -> dict[str, Any]:
    rendered: dict[str, Any] = {"name": table.name, "description": table.description}
    if freshness and contract:
        rendered["config"] = {"freshness": _freshness(freshness, contract)}
    rendered["columns"] = [
        _described(column.name, column.doc, column.classification) for column in table.columns
    ]
    return rendered


def _columns(own: Iterable[RawColumn], staged: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        *(_described(column.name, column.doc) for column in own),
        *(_described(name, doc) for name, doc in staged.items()),
    ]


def _described(name: str, doc: str, classification: str | None = None) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "description": f"{{{{ doc('{doc}') }}}}"}
    if classification:
        column["config"] = {"meta": {"classification": classification}}
    return column


def _freshness(promise: ServiceLevel, contract: Contract) -> dict[str, Any]:
    """The service level is the error; half of it is the warning."""
    seconds = promise.seconds or 0
    if seconds % 120:
        what = f"freshness: {promise.value} {promise.unit} has no half in whole minutes"
        fix = "state an even number of minutes"
        raise MbpError(what, path=contract.path, line=promise.line, fix=fix)
    return {"warn_after": _period(seconds // 2), "error_after": _period(seconds)}


def _period(seconds: int) -> dict[str, Any]:
    period, size = next(entry for entry in PERIODS if seconds % entry[1] == 0)
    return {"count": seconds // size, "period": period}


def models_yaml(
    contracts: Sequence[Contract],
    incremental: Collection[str],
    views: Collection[str],
    measured: Collection[str],
    nightly: Collection[str],
    unenforced: Mapping[str, str],
) -> str:
    """models/marts/mbp/_mbp__models.gen.yml.

    Args:
        incremental: datasets that get no primary key constraint. An incremental run deletes and
            inserts the same key in one transaction, which DuckDB's index refuses; the rule
            `<dataset>_<key>_unique` replaces it.
        views: datasets without a table, which no constraint can protect; their tests replace it.
        measured: datasets with a business metric.
        nightly: families that only the full verification judges; their tests carry the tag.
        unenforced: datasets that are no model in SQL, whose contract dbt does not enforce -> `seed` or `python`.
    """
    models = [
        _model(
            contract,
            contract.dataset not in incremental,
            contract.dataset in measured,
            nightly,
        )
        for contract in contracts
    ]
    for model in models:
        for entry in (model, *model["columns"]) if model["name"] in {*views, *unenforced} else ():
            entry.pop("constraints", None)
        if model["name"] in unenforced:
            del model["config"]["contract"]
    seeds = [model for model in models if unenforced.get(model["name"]) == "seed"]
    for seed in seeds:
        del seed["config"]["access"]
        # As dbt_project.yml says of the models of public datasets.
        seed["config"] |= {
            "schema": "marts",
            "persist_docs": {"relation": True, "columns": True},
            "post-hook": "{{ publish(this) }}",
        }
        types = {column["name"]: column["data_type"] for column in seed["columns"]}
        seed["config"]["column_types"] = {
            name: RAW_TYPES.get(type_, type_) for name, type_ in types.items()
        }
    others = [model for model in models if model not in seeds]
    return properties_text(models=others, **({"seeds": seeds} if seeds else {}))


def _model(
    contract: Contract, keyed: bool, measured: bool, nightly: Collection[str]
) -> dict[str, Any]:
    texts = [contract.purpose]
    texts += [f"Use: {contract.usage}"] if contract.usage else []
    texts += [f"Limits: {contract.limitations}"] if contract.limitations else []
    model: dict[str, Any] = {
        "name": contract.dataset,
        "description": "\n\n".join(texts),
        "config": {
            "access": "public",
            "group": contract.owner.lower(),
            "contract": {"enforced": True},
            "tags": ["a106", "a87"] if measured else ["a106"],
            "meta": {
                "contract_id": contract.contract_id,
                "contract_version": contract.version,
                "owner": contract.owner,
                "pack": "A106",
            },
        },
    }
    if keyed:
        model["constraints"] = [{"type": "primary_key", "columns": [contract.key.name]}]
    tests = [rule for rule in contract.rules if rule.column is None]
    if tests:
        model["data_tests"] = [_test(rule, nightly) for rule in tests]
    model["columns"] = [_column(column, contract, nightly) for column in contract.columns]
    return model


def _column(column: Column, contract: Contract, nightly: Collection[str]) -> dict[str, Any]:
    meta: dict[str, Any] = {"classification": column.classification}
    if column.unit:
        meta["unit"] = column.unit
    if column.derived:
        meta["derived"] = True
    rendered: dict[str, Any] = {
        "name": column.name,
        "description": f"{{{{ doc('{doc_name(contract.dataset, column.name)}') }}}}",
        "data_type": column.physical_type,
        "config": {"meta": meta},
    }
    if column.required:
        rendered["constraints"] = [{"type": "not_null"}]
    tests = [rule for rule in contract.rules if rule.column == column.name]
    if tests:
        rendered["data_tests"] = [_test(rule, nightly) for rule in tests]
    return rendered


def _test(rule: Rule, nightly: Collection[str]) -> dict[str, Any]:
    body: dict[str, Any] = {"name": rule.id, "description": rule.description}
    if rule.arguments:
        body["arguments"] = dict(rule.arguments)
    return {rule.test: {**body, "config": test_config(rule, nightly)}}


def test_config(rule: Rule, nightly: Collection[str]) -> dict[str, Any]:
    """The config of the dbt test of a rule."""
    # Python finds the rest in the contract by the rule id; a macro cannot.
    meta = {"rule_id": rule.id, "dataset": rule.dataset, "family": rule.family}
    tags = ["a89", rule.family, *(["nightly"] if rule.family in nightly else [])]
    return {"severity": DBT_SEVERITY[rule.severity], "tags": tags, "meta": meta}
