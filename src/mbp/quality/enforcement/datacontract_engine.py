"""datacontract-cli as an engine: a contract compiled for it, which avoids its known traps.

Every rule is a separate quality entry with the rule's id, so that no two rules share a metric of one
column: datacontract-cli 1.2.8 fails every check of a table then ("Duplicate column name"). An open
interval, which does the same, a condition, and what has no metric are SQL. Types and required columns of
the schema are left out, because they would be checks without a rule.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from mbp.contracts.contract_faults import API_VERSION
from mbp.contracts.model import Contract, Rule
from mbp.core.verdict import Verdict
from mbp.quality.attribution import safe_message
from mbp.quality.compiled_tests import query_of
from mbp.quality.enforcement.results import EngineCheck, RuleResult, complete
from mbp.runs.dbt_process import environment

# How it reports a table that it could not read: as a failed check.
UNREADABLE = "Could not read model"
SERVER = "checked"
METRICS = {"not_null": "nullValues", "unique": "duplicateValues"}


def compile_rule(
    rule: Rule, query: str, listed: frozenset[str] = frozenset()
) -> tuple[dict[str, Any], EngineCheck]:
    """The rule as a quality entry, and how it is run.

    Args:
        listed: columns with a closed list, whose one `invalidValues` is taken by it.
    """
    entry: dict[str, Any] = {"id": rule.id, "name": rule.id, "description": rule.description}
    arguments, family = rule.arguments, rule.family
    own: dict[str, Any] = {}
    if family == "volume":
        bounds = {"min_value": "mustBeGreaterOrEqualTo", "max_value": "mustBeLessOrEqualTo"}
        limits = {bounds[key]: arguments[key] for key in bounds if key in arguments}
        own = {"metric": "rowCount", **limits}
    elif rule.column and family in METRICS:
        own = {"metric": METRICS[family], "mustBe": 0}
    elif rule.column and family == "accepted_values" and arguments.get("values"):
        values = {"validValues": list(arguments["values"])}
        own = {"metric": "invalidValues", "mustBe": 0, "arguments": values}
    elif rule.column and family == "pattern" and rule.column not in listed:
        pattern = {"pattern": arguments["regex"]}
        own = {"metric": "invalidValues", "mustBe": 0, "arguments": pattern}
    if own:
        return {**entry, "type": "library", **own}, EngineCheck(rule.id)
    sql = f"select count(*) from (\n{query}\n) as failing_rows"
    reason = f"datacontract-cli has no metric for {family} that can be used alone"
    return entry | {"type": "sql", "query": sql, "mustBe": 0}, EngineCheck(rule.id, query, reason)


def feed(
    contract: Contract, queries: Mapping[str, str], server: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, EngineCheck]]:
    """The contract as it is fed to datacontract-cli, and rule id -> how it is run.

    Raises:
        MbpError: a rule without compiled SQL.
    """
    checks: dict[str, EngineCheck] = {}
    table_rules: list[dict[str, Any]] = []
    column_rules: dict[str, list[dict[str, Any]]] = {}
    listed = frozenset(
        str(rule.column)
        for rule in contract.rules
        if rule.family == "accepted_values" and rule.column
    )
    for rule in contract.rules:
        entry, checks[rule.id] = compile_rule(rule, query_of(rule, queries), listed)
        if entry["type"] == "library" and rule.column:
            column_rules.setdefault(rule.column, []).append(entry)
        else:
            table_rules.append(entry)
    properties = []
    for column in contract.columns:
        results: dict[str, Any] = {"name": column.name, "logicalType": column.logical_type}
        if column.name in column_rules:
            results["quality"] = column_rules[column.name]
        properties.append(results)
    document = {
        "apiVersion": API_VERSION,
        "kind": "DataContract",
        "id": contract.contract_id,
        "name": contract.name,
        "version": contract.version,
        "status": contract.status or "active",
        "servers": [{"server": SERVER, "schema": contract.schemas[str(server["type"])], **server}],
        "schema": [
            {
                "name": contract.dataset,
                "physicalName": contract.dataset,
                "properties": properties,
                "quality": table_rules,
            }
        ],
    }
    return document, checks


def run(
    contracts: Sequence[Contract],
    queries: Mapping[str, str],
    server: Mapping[str, Any],
    credentials: Mapping[str, str],
) -> list[RuleResult]:
    """`datacontract test` of every contract.

    Args:
        server: of ODCS: type, host, port, database, or the path of a DuckDB file.
        credentials: DATACONTRACT_POSTGRES_USERNAME and ..._PASSWORD.
    """
    from datacontract.data_contract import DataContract

    rule_results: list[RuleResult] = []
    for contract in contracts:
        document, checks = feed(contract, queries, server)
        started = time.perf_counter()
        with environment(credentials):
            tested = DataContract(
                data_contract_str=yaml.safe_dump(document, sort_keys=False), server=SERVER
            ).test()
        each = (time.perf_counter() - started) / max(1, len(checks))
        severities = {rule.id: rule.severity for rule in contract.rules}
        for check in tested.checks or ():
            rule_id = str(check.qualityId or check.name)
            if rule_id in checks:
                rule_results.append(
                    _result(check, checks[rule_id], contract.dataset, severities[rule_id], each)
                )
    wanted = [(rule.id, rule.dataset) for contract in contracts for rule in contract.rules]
    return complete(rule_results, wanted, "datacontract")


def _result(
    check: Any, plan: EngineCheck, dataset: str, severity: str, seconds: float
) -> RuleResult:
    message = str(getattr(check.result, "value", check.result))
    verdict = Verdict.ERROR
    if message == "passed":
        verdict = Verdict.PASS
    elif message in ("failed", "warning") and not str(check.reason or "").startswith(UNREADABLE):
        verdict = Verdict.WARN if severity == "warning" else Verdict.FAIL
    rows = None if verdict == Verdict.ERROR else _rows(check.diagnostics)
    return RuleResult(
        plan.rule_id,
        dataset,
        "datacontract",
        verdict,
        0 if verdict == Verdict.PASS else rows,
        seconds,
        plan.query is None,
        plan.reason if verdict == Verdict.PASS else safe_message(str(check.reason or "")),
    )


def _rows(diagnostics: Any) -> int | None:
    """The measured number, where the diagnostics name one."""
    if not isinstance(diagnostics, Mapping):
        return None
    for key in ("value", "actual", "count", "measure"):
        if isinstance(diagnostics.get(key), int | float):
            return int(diagnostics[key])
    return None
