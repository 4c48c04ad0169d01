"""Great Expectations as an engine, on PostgreSQL: a suite compiled from each contract.

Structural rules are separate expectations; everything else is an UnexpectedRowsExpectation over the
rule's SQL. Each carries the rule's id in its meta. GX 1.24 does not speak DuckDB.
"""

from __future__ import annotations

import logging
import os
import re
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from mbp.contracts.model import Contract, Rule
from mbp.core.verdict import Verdict
from mbp.quality.attribution import safe_message
from mbp.quality.compiled_tests import query_of
from mbp.quality.enforcement.results import EngineCheck, RuleResult, complete


def expectation(rule: Rule, query: str) -> tuple[Any, EngineCheck]:
    """The rule as an expectation, and how it is run."""
    from great_expectations import expectations as gxe

    arguments, column, family = rule.arguments, rule.column, rule.family
    meta = {"rule_id": rule.id, "owner": rule.owner}
    bounds = {key: arguments.get(key) for key in ("min_value", "max_value")}
    values = list(arguments.get("values") or ())
    own: Any = None
    if family == "volume":
        own = gxe.ExpectTableRowCountToBeBetween(**bounds, meta=meta)
    elif column and family == "not_null":
        own = gxe.ExpectColumnValuesToNotBeNull(column=column, meta=meta)
    elif column and family == "unique":
        own = gxe.ExpectColumnValuesToBeUnique(column=column, meta=meta)
    elif column and family == "accepted_values" and values:
        own = gxe.ExpectColumnValuesToBeInSet(column=column, value_set=values, meta=meta)
    elif column and family == "pattern":
        regex = arguments["regex"]
        own = gxe.ExpectColumnValuesToMatchRegex(column=column, regex=regex, meta=meta)
    elif column and family == "length":
        own = gxe.ExpectColumnValueLengthsToBeBetween(column=column, **bounds, meta=meta)
    elif column and family == "range":
        strict = bool(arguments.get("strictly"))
        ends = ("strict_min", "min_value"), ("strict_max", "max_value")
        bounds |= {end: strict and bounds[key] is not None for end, key in ends}
        own = gxe.ExpectColumnValuesToBeBetween(column=column, **bounds, meta=meta)
    if own is not None:
        return own, EngineCheck(rule.id)
    rows = gxe.UnexpectedRowsExpectation(
        unexpected_rows_query=query, description=rule.description, meta=meta
    )
    return rows, EngineCheck(rule.id, query, f"no expectation says {family}")


def run(
    contracts: Sequence[Contract],
    queries: Mapping[str, str],
    connection_string: str,
) -> list[RuleResult]:
    """Validates every dataset on PostgreSQL.

    Args:
        connection_string: of SQLAlchemy.

    Raises:
        MbpError: a rule without compiled SQL.
    """
    # It prints for every SQL rule that it does not name the batch; a rule reads several tables.
    with redirect_stdout(StringIO()):
        rule_results = _run(contracts, queries, connection_string)
    wanted = [(rule.id, rule.dataset) for contract in contracts for rule in contract.rules]
    return complete(rule_results, wanted, "gx")


def _run(
    contracts: Sequence[Contract],
    queries: Mapping[str, str],
    connection_string: str,
) -> list[RuleResult]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.datasource.fluent.interfaces import TestConnectionError

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_postgres("warehouse", connection_string=connection_string)
    rule_results: list[RuleResult] = []
    for contract in contracts:
        schema = contract.schemas["postgres"]
        try:
            asset = source.add_table_asset(
                contract.dataset, table_name=contract.dataset, schema_name=schema
            )
        except TestConnectionError as error:
            # The other datasets are still judged; this one is an error, rule by rule.
            reason = f"{schema}.{contract.dataset} cannot be read: {safe_message(str(error))}"
            rule_results += [
                RuleResult(rule.id, rule.dataset, "gx", Verdict.ERROR, reason=reason)
                for rule in contract.rules
            ]
            continue
        batch = asset.add_batch_definition_whole_table("all rows")
        suite, checks = _suite(contract, queries)
        context.suites.add(suite)
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(name=contract.dataset, data=batch, suite=suite)
        )
        rule_results += _validate(definition, contract, checks)
    return rule_results


def _suite(contract: Contract, queries: Mapping[str, str]) -> tuple[Any, dict[str, EngineCheck]]:
    import great_expectations as gx

    suite = gx.ExpectationSuite(name=contract.dataset)
    checks: dict[str, EngineCheck] = {}
    for rule in contract.rules:
        made, checks[rule.id] = expectation(rule, query_of(rule, queries))
        suite.add_expectation(made)
    return suite, checks


def _validate(
    definition: Any, contract: Contract, checks: Mapping[str, EngineCheck]
) -> list[RuleResult]:
    started = time.perf_counter()
    with warnings.catch_warnings():
        # A rule that reads several tables cannot name the one batch.
        warnings.filterwarnings("ignore", message=".*should contain the {batch} parameter.*")
        result = definition.run(result_format="SUMMARY")
    each = (time.perf_counter() - started) / max(1, len(checks))
    severities = {rule.id: rule.severity for rule in contract.rules}
    results_of_rules = []
    for result_of_check in result.results:
        rule_id = str((result_of_check.expectation_config.meta or {}).get("rule_id"))
        if rule_id in checks:
            plan = checks[rule_id]
            results_of_rules.append(
                _result(result_of_check, plan, contract.dataset, severities[rule_id], each)
            )
    return results_of_rules


def _result(
    validation: Any, plan: EngineCheck, dataset: str, severity: str, seconds: float
) -> RuleResult:
    raised = [
        info for info in _exceptions(validation.exception_info) if info.get("raised_exception")
    ]
    broken = Verdict.WARN if severity == "warning" else Verdict.FAIL
    verdict = Verdict.PASS if validation.success else broken
    # Of a rule that holds: why it is SQL and no expectation.
    reason = plan.reason
    if raised:
        verdict = Verdict.ERROR
        reason = safe_message(str(raised[0].get("exception_message")))
    rows = 0 if verdict == Verdict.PASS else _failing_rows(validation.result or {}, plan)
    return RuleResult(
        plan.rule_id,
        dataset,
        "gx",
        verdict,
        None if raised else rows,
        seconds,
        plan.query is None,
        reason,
    )


def _exceptions(info: Any) -> list[Mapping[str, Any]]:
    """GX reports one exception flat, or one for each metric."""
    if not isinstance(info, Mapping):
        return []
    if "raised_exception" in info:
        return [info]
    return [part for part in info.values() if isinstance(part, Mapping)]


def _failing_rows(result: Mapping[str, Any], plan: EngineCheck) -> int | None:
    if isinstance(result.get("unexpected_count"), int):
        return int(result["unexpected_count"])
    observed = result.get("observed_value")
    if plan.query is not None and observed is not None:
        number = re.match(r"\d+", str(observed))
        return int(number[0]) if number else None
    return None
