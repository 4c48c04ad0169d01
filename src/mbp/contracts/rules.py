"""Rules of a contract: those that follow from its schema and its service levels, and its quality entries.

A structural fact is stated once, in the schema; the rule and its test follow from it here, as the others do from the
explicit quality entries.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from mbp.contracts.contract_file import ContractFile, QualityEntry
from mbp.contracts.document_node import DocumentNode
from mbp.contracts.model import Column, Contract, Rule, ServiceLevel
from mbp.contracts.policy import Policy
from mbp.core.wording import many

__all__ = ["Rule", "all_rules", "derived_rules"]

BETWEEN = "dbt_expectations.expect_column_values_to_be_between"
MATCHES = "dbt_expectations.expect_column_values_to_match_regex"
LENGTH = "dbt_expectations.expect_column_value_lengths_to_be_between"
BOUNDS = frozenset({"exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"})
# Family -> the options whose threshold it checks.
OPTION_FAMILIES = {
    "range": BOUNDS,
    "pattern": {"pattern"},
    "length": {"maxLength", "minLength"},
}
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


def anchored(pattern: str) -> bool:
    """The pattern holds for the whole value and not for some part of it.

    `^a|b$` has both anchors and holds for `axyz` all the same: alternatives need a group.
    """
    # What is escaped, in brackets or in a group cannot divide the pattern.
    bare = re.sub(r"\\.|\[\^?\]?(?:\\.|[^]\\])*\]", "_", pattern)
    while (inner := re.sub(r"\([^()]*\)", "_", bare)) != bare:
        bare = inner
    return bare.startswith("^") and bare.endswith("$") and "|" not in bare


def mixed(bounds: Collection[str]) -> bool:
    """No one test can hold these bounds: an open with a closed one, or two on one side."""
    return len({name.startswith("exclusive") for name in bounds}) > 1


def all_rules(contracts: Iterable[Contract]) -> list[Rule]:
    """Every rule of the contracts, by id."""
    return sorted(
        (rule for contract in contracts for rule in contract.rules), key=lambda rule: rule.id
    )


def derived_rules(contract: Contract, policy: Policy | None) -> list[Rule]:
    """The rules that follow from the columns and the service levels, also of a contract with faults.

    `mbp.contracts.rule_ids` makes their ids unique.

    The dimension of a family that the policy does not define is empty.
    """
    make = _Maker(contract, policy)
    rules = [rule for column in contract.columns for rule in _of_column(column, make)]
    return [*rules, *(_of_change_log(contract, make) if contract.change_log else ())]


class _Maker:
    """Makes rules of one contract with the defaults of the policy."""

    def __init__(self, contract: Contract, policy: Policy | None) -> None:
        self.contract = contract
        self.families = policy.families if policy else {}

    def rule(
        self,
        suffix: str,
        family: str,
        test: str,
        description: str,
        *,
        arguments: dict[str, Any] | None = None,
        column: Column | None = None,
        columns: tuple[str, ...] = (),
        line: int | None = None,
        reason: str | None = None,
    ) -> Rule:
        """A rule of `column`, or of the dataset with what it reads and the line it follows from."""
        return Rule(
            id=f"{self.contract.dataset}_{suffix}",
            dataset=self.contract.dataset,
            family=family,
            dimension=self.families[family].dimension if family in self.families else "",
            severity="error",
            owner=self.contract.owner,
            description=description,
            reason=reason,
            expires=None,
            columns=(column.name,) if column else columns,
            test=test,
            arguments=arguments or {},
            origin="derived",
            path=self.contract.path,
            line=column.line if column else line,
            column=column.name if column else None,
        )


def _of_column(column: Column, make: _Maker) -> Iterator[Rule]:
    name = column.name
    if column.required:
        yield make.rule(
            f"{name}_not_null", "not_null", "not_null", f"Every row has {name}.", column=column
        )
    if column.unique:
        yield make.rule(
            f"{name}_unique", "unique", "unique", f"No two rows share {name}.", column=column
        )
    if column.reference:
        target = column.reference
        yield make.rule(
            f"{name}_fk",
            "foreign_key",
            "relationships",
            f"Every {name} is found in {target.dataset}.{target.column}.",
            arguments={"to": f"ref('{target.dataset}')", "field": target.column},
            column=column,
        )
    for family, test, arguments, description in _of_options(column):
        if not column.required:
            arguments["row_condition"] = f"{name} is not null"
        yield make.rule(
            f"{name}_{family}",
            family,
            test,
            description,
            arguments=arguments,
            reason=column.rule_reasons.get(family),
            column=column,
        )


def families_of_options(options: Mapping[str, Any]) -> Iterator[str]:
    """Families whose thresholds logicalTypeOptions state."""
    for family, keys in OPTION_FAMILIES.items():
        if keys & options.keys():
            yield family


def _of_options(column: Column) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """(family, test, arguments, description) of what logicalTypeOptions state."""
    options, name = column.options, column.name
    families = set(families_of_options(options))
    if "range" in families:
        strict = any(key.startswith("exclusive") for key in options)
        low = options.get("minimum", options.get("exclusiveMinimum"))
        high = options.get("maximum", options.get("exclusiveMaximum"))
        arguments = {"min_value": low, "max_value": high}
        arguments = {key: value for key, value in arguments.items() if value is not None}
        if strict:
            arguments["strictly"] = True
        yield "range", BETWEEN, arguments, _range_sentence(name, low, high, strict)
    if "pattern" in families:
        pattern = options["pattern"]
        yield "pattern", MATCHES, {"regex": pattern}, f"Every {name} has the form `{pattern}`."
    if "length" in families:
        lengths = {"min_value": options.get("minLength"), "max_value": options.get("maxLength")}
        arguments = {key: value for key, value in lengths.items() if value is not None}
        words = " and ".join(
            f"at {'least' if key == 'min_value' else 'most'} {value}"
            for key, value in arguments.items()
        )
        noun = "character" if all(value == 1 for value in arguments.values()) else "characters"
        yield "length", LENGTH, arguments, f"Every {name} has {words} {noun}."


def _range_sentence(name: str, low: Any, high: Any, strict: bool) -> str:
    if low is not None and high is not None:
        manner = "strictly between" if strict else "between"
        return f"Every {name} is {manner} {low} and {high}."
    if low is not None:
        return f"Every {name} is {'above' if strict else 'at least'} {low}."
    return f"Every {name} is {'below' if strict else 'at most'} {high}."


def _of_change_log(contract: Contract, make: _Maker) -> Iterator[Rule]:
    key = next((column for column in contract.columns if column.primary_key), None)
    common = {"dataset": contract.dataset, "key_column": key.name if key else ""}
    read = (key.name,) if key else ()
    for kind, test, limit, columns, sentence in (
        ("freshness", "fresh_within", "max_age_seconds", (), "The newest change arrived at most {} ago."),
        ("latency", "lag_p95_within", "max_lag_seconds", (),
         "95 of 100 changes of the last day arrived within {} of their commit."),
        ("completeness", "cdc_no_loss", "", read,
         "Distinct keys in the change log, less the deleted ones, equal the rows published."),
    ):  # fmt: skip
        level = contract.service_level(kind)
        if level is None:
            continue
        name = kind if limit else test
        yield make.rule(
            name,
            name,
            test,
            sentence.format(_duration(level)),
            arguments={**common, limit: level.seconds} if limit else common,
            columns=columns,
            line=level.line,
            reason=level.description,
        )
    if key:
        yield make.rule(
            "cdc_order",
            "cdc_order",
            "cdc_order",
            "Per key the commit time grows with the log position, and one position is one change.",
            arguments=common,
            columns=read,
            line=key.line,
        )


def _duration(level: ServiceLevel) -> str:
    seconds = level.seconds or 0
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0 and seconds >= 2 * size:
            return f"{seconds // size} {word}s"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def rule_record(rule: Rule) -> dict[str, Any]:
    """The rule as JSON values."""
    record = asdict(rule)
    record["columns"] = list(rule.columns)
    record["arguments"] = {
        key: format(value, "f") if isinstance(value, Decimal) else value
        for key, value in rule.arguments.items()
    }
    record["expires"] = rule.expires.isoformat() if rule.expires else None
    return record


def rules_text(rules: Sequence[Rule]) -> str:
    """One line per rule: id, severity, owner, family, what must hold."""
    widths = [
        max(len(str(cell)) for cell in column)
        for column in zip(*(_cells(rule) for rule in rules), strict=True)
    ]
    lines = [
        "  ".join(
            [cell.ljust(width) for cell, width in zip(_cells(rule), widths, strict=True)]
            + [rule.description]
        )
        for rule in rules
    ]
    return "\n".join([*lines, many(len(rules), "rule")])


def _cells(rule: Rule) -> tuple[str, ...]:
    return rule.id, rule.severity, rule.owner, rule.family


def explicit_rule(entry: QualityEntry, contract: ContractFile) -> Rule:
    """The rule of an entry of a `quality` block, of a column or of the dataset.

    What is wrong in it is left empty: `mbp.contracts.rule_faults` says it.
    """
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
