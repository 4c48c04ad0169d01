"""The explicit quality entries of a contract -> rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

from mbp.contracts.contract_file import ContractFile, QualityEntry
from mbp.contracts.document_node import DocumentNode
from mbp.contracts.model import Rule

ROW_COUNT = "dbt_expectations.expect_table_row_count_to_be_between"
ROW_COUNT_BOUNDS = {"mustBeGreaterOrEqualTo": "min_value", "mustBeLessOrEqualTo": "max_value"}
LIBRARY_FAMILIES = {"invalidValues": "accepted_values", "rowCount": "volume"}
TEST_NAME = re.compile(r"[A-Za-z_]\w*([.][A-Za-z_]\w*)?", re.ASCII)
# Arguments that the tests make a SQL string of.
QUOTED = ("like_pattern", "like_pattern_list", "regex", "regex_list", "value_set")
OPERATORS = (
    "mustBe",
    "mustBeBetween",
    "mustBeGreaterOrEqualTo",
    "mustBeGreaterThan",
    "mustBeLessOrEqualTo",
    "mustBeLessThan",
    "mustNotBe",
    "mustNotBeBetween",
)
# Generic tests that dbt brings itself; others are of a package, or written in the project.
DBT_TESTS = frozenset({"accepted_values", "not_null", "relationships", "unique"})
Test = tuple[str, dict[str, Any]]


def explicit_rules(contract: ContractFile) -> Iterator[Rule]:
    """Rules of the `quality` blocks of the columns and of the dataset, in their order.

    What is wrong in an entry is left empty: `mbp.contracts.rule_faults` says it.
    """
    for entry in contract.entries:
        yield _rule(entry, contract)


def _rule(entry: QualityEntry, contract: ContractFile) -> Rule:
    node, more = entry.node, entry.node.custom()
    absent = node.at("customProperties", "absent")
    test, arguments = _test(node)
    reason = more.get("reason", absent)
    return Rule(
        id=entry.id,
        dataset=contract.dataset,
        family=more.get("family", absent).text,
        dimension=node.at("dimension").text,
        severity="warning" if node.at("severity").text == "warning" else "error",
        owner=more.get("owner", absent).text,
        description=node.at("description").text,
        reason=None if reason.blank else " ".join(str(reason.value).split()),
        expires=_day(more.get("expires", absent).value),
        columns=_columns(more.get("columns", absent).value, entry.column),
        test=test,
        arguments=arguments,
        origin="explicit",
        path=node.path,
        line=node.line,
        column=entry.column,
        optional=_columns(more.get("optionalDatasets", absent).value, None),
    )


def _day(value: Any) -> date | None:
    """The day a warning ends. It is the last day on which it may still only warn."""
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def _columns(value: Any, column: str | None) -> tuple[str, ...]:
    names = (
        tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()
    )
    return names if column is None or column in names else (column, *names)


def _test(node: DocumentNode) -> Test:
    """(test, arguments)."""
    if node.at("type").text == "library":
        if node.at("metric").text == "invalidValues":
            values = node.at("arguments", "validValues")
            return "accepted_values", {"values": [entry.value for entry in values.entries()]}
        bounds = {
            ROW_COUNT_BOUNDS[key]: value
            for key, value in node.mapping.items()
            if key in ROW_COUNT_BOUNDS
        }
        return ROW_COUNT, bounds
    test = node.at("implementation")
    return test.at("test").text, dict(test.at("arguments").mapping)


def is_written_here(test: str) -> bool:
    """The project has the SQL of the generic test itself."""
    return "." not in test and test not in DBT_TESTS
