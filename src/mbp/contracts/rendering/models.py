"""The public models and their tests, as dbt properties."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from mbp.contracts.model import Column, Contract, Rule
from mbp.contracts.raw_columns import RAW_TYPES, doc_name
from mbp.contracts.rendering.yaml_text import HEADER, yaml_text

DBT_SEVERITY = {"error": "error", "warning": "warn"}


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
    document: dict[str, Any] = {
        "version": 2,
        "models": [model for model in models if model not in seeds],
    }
    return HEADER + yaml_text({**document, **({"seeds": seeds} if seeds else {})})


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
