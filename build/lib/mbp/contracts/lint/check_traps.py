"""TRAP: what the tools that read our contracts understand differently, or ignore silently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache

from mbp.contracts.contract_file import ContractFile
from mbp.contracts.document_node import fault_at
from mbp.contracts.lint.checks import Project, contract_check
from mbp.contracts.lint.portable_patterns import differences, refusal
from mbp.contracts.reading import LOGGED_LEVELS
from mbp.core.reporting import Finding

# Dates, which nothing can measure.
DATES = {"endOfLife", "endOfSupport", "generalAvailability"}
POSTGRES_NAME_BYTES = 63
# Reserved by PostgreSQL 18 and not by DuckDB 1.5 (pg_get_keywords() held against duckdb_keywords()).
POSTGRES_WORDS = {
    *("current_catalog", "current_date", "current_role", "current_schema", "current_time"),
    *("current_timestamp", "current_user", "grant", "localtime", "localtimestamp"),
    *("session_user", "system_user", "user"),
}


@contract_check("TRAP-001")
def open_intervals(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Both exclusive bounds on one column."""
    for subject, column in contract.all_columns():
        options = column.at("logicalTypeOptions")
        if {"exclusiveMinimum", "exclusiveMaximum"} <= options.mapping.keys():
            yield fault_at(options, "TRAP-001", "an open interval on one column", subject)


@contract_check("TRAP-002")
def one_rule_of_a_metric(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """datacontract-cli names a check after table, column and metric, and needs each name once."""
    seen: Counter[tuple[str | None, str]] = Counter()
    for entry in contract.entries:
        metric = entry.node.at("metric").text
        seen[entry.column, metric] += 1
        if metric and seen[entry.column, metric] > 1:
            where = entry.column or contract.dataset
            yield fault_at(entry.node, "TRAP-002", f"another rule of {metric} on {where}", entry.id)


@contract_check("TRAP-004", "TRAP-014")
def patterns(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Patterns that every engine can run, in one sense."""
    for subject, column in contract.all_columns():
        node = column.at("logicalTypeOptions", "pattern")
        if not node.text:
            continue
        reason = refusal(node.value)
        if reason:
            yield fault_at(node, "TRAP-004", f"the pattern {node.value!r}: {reason}", subject)
            continue
        for difference in differences(node.value):
            yield fault_at(node, "TRAP-014", f"the pattern {node.value!r}: {difference}", subject)


@contract_check("TRAP-007", "TRAP-010")
def service_levels(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Service levels that no tool checks, or reads in another unit."""
    for level in contract.root.at("slaProperties").entries():
        kind = level.at("property").text
        if kind and kind not in {*LOGGED_LEVELS, *DATES}:
            yield fault_at(level, "TRAP-007", f"no tool checks {kind}", contract.dataset)
        if kind == "retention" and level.at("unit").text == "m":
            yield fault_at(level.at("unit"), "TRAP-010", "retention in m", contract.dataset)


@contract_check("TRAP-012", "TRAP-013")
def names(contract: ContractFile, _project: Project) -> Iterator[Finding]:
    """Names that an engine reserves or cuts."""
    for node in (
        contract.table.at("name"),
        *(node.at("name") for _, node in contract.all_columns()),
    ):
        if node.text.lower() in _reserved_words():
            yield fault_at(node, "TRAP-012", f"{node.text!r} is a word of SQL", node.text)
        if len(node.text.encode("utf-8")) > POSTGRES_NAME_BYTES:
            message = f"{len(node.text)} characters; PostgreSQL keeps {POSTGRES_NAME_BYTES}"
            yield fault_at(node, "TRAP-013", message, node.text)


@cache
def _reserved_words() -> frozenset[str]:
    import duckdb

    with duckdb.connect() as connection:
        rows = connection.execute(
            "select keyword_name from duckdb_keywords()"
            " where keyword_category in ('reserved', 'type_function')"
        ).fetchall()
    return frozenset({word for (word,) in rows} | POSTGRES_WORDS)
