"""Rules of a contract: those that follow from its schema and its promises.

A structural fact stands once, in the schema; the rule and its test follow from it here. Explicit
quality entries are read in `quality.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from mbp.contracts.model import Column, Contract, Rule, ServiceLevel
from mbp.contracts.policy import Policy
from mbp.core.errors import MbpError
from mbp.core.sql_guard import demand_expression

__all__ = ["Rule", "all_rules", "derived_rules"]

BETWEEN = "dbt_expectations.expect_column_values_to_be_between"
MATCHES = "dbt_expectations.expect_column_values_to_match_regex"
LENGTH = "dbt_expectations.expect_column_value_lengths_to_be_between"
BOUNDS = ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum")


def anchored(pattern: str) -> bool:
    """The pattern holds for the whole value and not for some part of it.

    `^a|b$` has both anchors and holds for `axyz` all the same: alternatives need a group.
    """
    # What is escaped, stands in brackets or in a group cannot divide the pattern.
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


def derived_rules(contract: Contract, policy: Policy) -> list[Rule]:
    """The rules that follow from the columns and the service levels.

    Raises:
        MbpError: a threshold without a reason, bounds that no test can express, or a family
            that the policy does not define.
    """
    make = _Maker(contract, policy)
    rules = [rule for column in contract.columns for rule in _of_column(column, contract, make)]
    return [*rules, *_of_promises(contract, make)]


class _Maker:
    """Makes rules of one contract with the defaults of the policy."""

    def __init__(self, contract: Contract, policy: Policy) -> None:
        self.contract, self.policy = contract, policy

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
        if family not in self.policy.families:
            raise MbpError(
                f"no family {family!r}, which the rule {self.contract.dataset}_{suffix} belongs to",
                path=self.policy.path,
                cure="define it under 'families'",
            )
        return Rule(
            id=f"{self.contract.dataset}_{suffix}",
            dataset=self.contract.dataset,
            family=family,
            dimension=self.policy.families[family].dimension,
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


def _of_column(column: Column, contract: Contract, make: _Maker) -> Iterator[Rule]:
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
        several = sum(other.reference is not None for other in contract.columns) > 1
        target = column.reference
        yield make.rule(
            f"{name}_fk" if several else "fk",
            "foreign_key",
            "relationships",
            f"Every {name} is found in {target.dataset}.{target.column}.",
            arguments={"to": f"ref('{target.dataset}')", "field": target.column},
            column=column,
        )
    for family, test, arguments, description in _of_options(column, contract):
        if family not in column.rule_reasons:
            raise MbpError(
                f"column {name!r}: the {family} has no reason",
                path=contract.path,
                line=column.line,
                cure=f"say why under ruleReasons.{family}",
            )
        if not column.required:
            arguments["row_condition"] = f"{name} is not null"
        reason = column.rule_reasons[family]
        yield make.rule(
            f"{name}_{family}",
            family,
            test,
            description,
            arguments=arguments,
            reason=reason,
            column=column,
        )
    families = {family for family, *_ in _of_options(column, contract)}
    for family in sorted(set(column.rule_reasons) - families):
        raise MbpError(
            f"column {name!r}: a reason for a {family} that is not there",
            path=contract.path,
            line=column.line,
            cure="state it under logicalTypeOptions or remove the reason",
        )


def _of_options(
    column: Column, contract: Contract
) -> Iterator[tuple[str, str, dict[str, Any], str]]:
    """(family, test, arguments, description) of what logicalTypeOptions promise."""
    options, name = column.options, column.name
    bounds = {key: options[key] for key in options if key in BOUNDS}
    if bounds:
        strict = {key.startswith("exclusive") for key in bounds}
        if mixed(bounds):
            raise MbpError(
                f"column {name!r}: one test cannot hold an open and a closed bound",
                path=contract.path,
                line=column.line,
                cure="make both bounds exclusive, or neither",
            )
        low = bounds.get("minimum", bounds.get("exclusiveMinimum"))
        high = bounds.get("maximum", bounds.get("exclusiveMaximum"))
        arguments = {"min_value": low, "max_value": high}
        arguments = {key: value for key, value in arguments.items() if value is not None}
        for bound in arguments.values():  # the test puts it into its SQL as it is written
            demand_expression(str(bound), path=contract.path, line=column.line)
        if strict == {True}:
            arguments["strictly"] = True
        yield "range", BETWEEN, arguments, _range_sentence(name, low, high, strict == {True})
    if "pattern" in options:
        pattern = options["pattern"]
        if not anchored(pattern):
            raise MbpError(
                f"column {name!r}: the pattern {pattern!r} would match a part of a value",
                path=contract.path,
                line=column.line,
                cure="begin it with ^ and end it with $, alternatives in a group: ^(a|b)$",
            )
        yield "pattern", MATCHES, {"regex": pattern}, f"Every {name} has the form `{pattern}`."
    lengths = {"min_value": options.get("minLength"), "max_value": options.get("maxLength")}
    arguments = {key: value for key, value in lengths.items() if value is not None}
    if arguments:
        words = " and ".join(
            f"at {'least' if key == 'min_value' else 'most'} {value}"
            for key, value in arguments.items()
        )
        noun = "character" if set(arguments.values()) == {1} else "characters"
        yield "length", LENGTH, arguments, f"Every {name} has {words} {noun}."


def _range_sentence(name: str, low: Any, high: Any, strict: bool) -> str:
    if low is not None and high is not None:
        manner = "strictly between" if strict else "between"
        return f"Every {name} lies {manner} {low} and {high}."
    if low is not None:
        return f"Every {name} is {'above' if strict else 'at least'} {low}."
    return f"Every {name} is {'below' if strict else 'at most'} {high}."


def _of_promises(contract: Contract, make: _Maker) -> Iterator[Rule]:
    common = {"dataset": contract.dataset, "key_column": contract.key.name}
    freshness = contract.service_level("freshness")
    if freshness:
        yield make.rule(
            "freshness",
            "freshness",
            "fresh_within",
            f"The newest change arrived at most {_duration(freshness)} ago.",
            arguments={**common, "max_age_seconds": freshness.seconds},
            columns=(),
            line=freshness.line,
            reason=freshness.description,
        )
    latency = contract.service_level("latency")
    if latency:
        yield make.rule(
            "latency",
            "latency",
            "lag_p95_within",
            "95 of 100 changes of the last day arrived within "
            f"{_duration(latency)} of their commit.",
            arguments={**common, "max_lag_seconds": latency.seconds},
            columns=(),
            line=latency.line,
            reason=latency.description,
        )
    completeness = contract.service_level("completeness")
    if completeness:
        yield make.rule(
            "cdc_no_loss",
            "cdc_no_loss",
            "cdc_no_loss",
            "Distinct keys in the change log, less the deleted ones, equal the rows published.",
            arguments=common,
            columns=(contract.key.name,),
            line=completeness.line,
            reason=completeness.description,
        )
    yield make.rule(
        "cdc_order",
        "cdc_order",
        "cdc_order",
        "Per key the commit time grows with the log position, and one position is one change.",
        arguments=common,
        columns=(contract.key.name,),
        line=contract.key.line,
    )


def _duration(level: ServiceLevel) -> str:
    seconds = level.seconds or 0
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0 and seconds >= 2 * size:
            return f"{seconds // size} {word}s"
    return f"{seconds} second{'' if seconds == 1 else 's'}"
