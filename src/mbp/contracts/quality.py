"""The explicit quality entries of a contract -> rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from mbp.contracts.model import Contract, Rule, Severity
from mbp.contracts.policy import Policy
from mbp.contracts.reading import PLAIN_NAME, ReadingPlace, extras
from mbp.core.errors import MbpError
from mbp.core.schema_check import did_you_mean
from mbp.core.sql_guard import demand_expression

EXTRAS = ("columns", "expires", "family", "owner", "reason")
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
Test = tuple[str, dict[str, Any], bool]


def explicit_rules(
    contract: Contract, table: Mapping[str, Any], place: ReadingPlace, policy: Policy
) -> Iterator[Rule]:
    """Rules of the `quality` blocks of the dataset and of its columns, in their order.

    Args:
        table: the dataset's entry of ODCS `schema`.
        place: of `table`.

    Raises:
        MbpError: an entry that is incomplete, against the policy, or not a test we can run.
    """
    entries: list[tuple[Mapping[str, Any], ReadingPlace, str | None]] = []
    for index, column in enumerate(table["properties"]):
        for number, entry in enumerate(column.get("quality", ())):
            where = place.at("properties", index, "quality", number)
            entries.append((entry, where, column["name"]))
    for number, entry in enumerate(table.get("quality", ())):
        entries.append((entry, place.at("quality", number), None))
    for entry, where, column_name in entries:
        yield _rule(entry, where, column_name, dataset=contract.dataset, policy=policy)


def _rule(
    entry: Mapping[str, Any],
    place: ReadingPlace,
    column: str | None,
    *,
    dataset: str,
    policy: Policy,
) -> Rule:
    for key in ("id", "type", "dimension", "severity", "description"):
        if not str(entry.get(key) or "").strip():
            raise place.refuse(
                f"the rule {entry.get('id', '?')} has no {key!r}", f"state its {key}"
            )
    rule_id = str(entry["id"])
    if not PLAIN_NAME.fullmatch(rule_id):
        raise place.at("id").refuse(f"expected a lower-case id, found {rule_id!r}")
    more = extras(entry, place, EXTRAS)
    for key in ("owner", "family"):
        if not isinstance(more.get(key, (None,))[0], str):
            raise place.refuse(f"the rule {rule_id} has no {key}", f"add the customProperty {key}")
    owner, where = more["owner"]
    policy.check_owner(owner, place.path, where.line)
    family = _family(entry, more, place, policy)
    severity = _severity(entry, place, policy)
    reason = " ".join(str(more["reason"][0]).split()) if "reason" in more else None
    if not reason and (severity == "warning" or entry.get("metric") == "rowCount"):
        raise place.refuse(f"the rule {rule_id} has no reason", "add the customProperty reason")
    test, arguments, singular = _test(entry, column, place)
    return Rule(
        id=rule_id,
        dataset=dataset,
        family=family,
        dimension=str(entry["dimension"]),
        severity=severity,
        owner=owner,
        description=" ".join(str(entry["description"]).split()),
        reason=reason,
        expires=_expires(rule_id, severity, more, place, policy=policy),
        columns=_columns(rule_id, more, column, place),
        test=test,
        arguments=arguments,
        origin="explicit",
        path=place.path,
        line=place.line,
        column=None if singular else column,
        singular=singular,
    )


def _family(
    entry: Mapping[str, Any],
    more: Mapping[str, tuple[Any, ReadingPlace]],
    place: ReadingPlace,
    policy: Policy,
) -> str:
    family, where = more["family"]
    if family not in policy.families:
        raise where.refuse(f"unknown family {family!r}", did_you_mean(family, policy.families))
    wanted = LIBRARY_FAMILIES.get(str(entry.get("metric")), family)
    if family != wanted:
        raise where.refuse(f"expected the family {wanted!r} of its metric, found {family!r}")
    dimension = policy.families[family].dimension
    # A consistency rule may serve another dimension; every other family has its own.
    if family != "consistency" and entry["dimension"] != dimension:
        raise place.at("dimension").refuse(
            f"expected {dimension!r}, the dimension of the family {family}, "
            f"found {entry['dimension']!r}"
        )
    return str(family)


def _severity(entry: Mapping[str, Any], place: ReadingPlace, policy: Policy) -> Severity:
    severity = str(entry["severity"])
    if severity not in policy.severities:
        raise place.at("severity").refuse(
            f"the policy does not allow the severity {severity!r}",
            did_you_mean(severity, policy.severities),
        )
    return "warning" if severity == "warning" else "error"


def _expires(
    rule_id: str,
    severity: Severity,
    more: Mapping[str, tuple[Any, ReadingPlace]],
    place: ReadingPlace,
    *,
    policy: Policy,
) -> date | None:
    """The day a warning ends. It is the last day on which it may still only warn."""
    if severity == "error":
        if "expires" in more:
            raise more["expires"][1].refuse(f"the error {rule_id} cannot expire", "remove expires")
        return None
    if "expires" not in more:
        if policy.expiry_required:
            raise place.refuse(f"the warning {rule_id} has no expiry", "add expires: YYYY-MM-DD")
        return None
    value, where = more["expires"]
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise where.refuse(f"expires: expected YYYY-MM-DD, found {value!r}") from error


def _columns(
    rule_id: str,
    more: Mapping[str, tuple[Any, ReadingPlace]],
    column: str | None,
    place: ReadingPlace,
) -> tuple[str, ...]:
    if "columns" not in more:
        if column is None:
            raise place.refuse(f"the rule {rule_id} names no columns", "list what the rule reads")
        return (column,)
    value, where = more["columns"]
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise where.refuse(f"columns: expected a list of names, found {value!r}")
    return tuple(value) if column is None or column in value else (column, *value)


def check_columns(rules: list[Rule], contracts: Mapping[str, Contract]) -> None:
    """Every column that a rule reads, and every foreign key, must lead to a column.

    Raises:
        MbpError: one does not.
    """
    for rule in rules:
        for name in rule.columns:
            dataset, _, column = name.rpartition(".")
            _exists(dataset or rule.dataset, column, contracts, rule.path, rule.line)
    for contract in contracts.values():
        for referring in contract.columns:
            if referring.reference:
                target = referring.reference
                _exists(target.dataset, target.column, contracts, contract.path, target.line)


def _exists(
    dataset: str, column: str, contracts: Mapping[str, Contract], path: str, line: int | None
) -> None:
    if dataset not in contracts:
        cure = did_you_mean(dataset, contracts)
        raise MbpError(f"unknown dataset {dataset!r}", path=path, line=line, cure=cure)
    names = [known.name for known in contracts[dataset].columns]
    if column not in names:
        cure = did_you_mean(column, names)
        raise MbpError(f"unknown column {column!r} of {dataset}", path=path, line=line, cure=cure)


def _test(entry: Mapping[str, Any], column: str | None, place: ReadingPlace) -> Test:
    """(test, arguments, whether it is a singular test)."""
    if entry["type"] == "library":
        return _library_test(entry, column, place)
    if entry["type"] != "custom" or entry.get("engine") != "dbt":
        raise place.refuse("expected type: library, or type: custom with engine: dbt")
    implementation = entry.get("implementation")
    if not isinstance(implementation, dict):
        raise place.refuse(
            "implementation: expected {test: ..., arguments: ...} or {singular: ...}"
        )
    inside = place.at("implementation")
    known = ("arguments", "singular", "test")
    for key in implementation:
        if key not in known:
            raise inside.at(key).refuse(f"unknown key {key!r}", did_you_mean(key, known))
    singular, test = implementation.get("singular"), implementation.get("test")
    if (singular is None) == (test is None) or (singular and "arguments" in implementation):
        raise inside.refuse("expected either test (with arguments) or singular, and not both")
    name = singular or test
    shape = PLAIN_NAME if singular else TEST_NAME
    if not isinstance(name, str) or not shape.fullmatch(name):
        raise inside.refuse(f"expected the name of a test, found {name!r}")
    arguments = implementation.get("arguments", {})
    if not isinstance(arguments, dict):
        raise inside.at("arguments").refuse(f"expected name: value, found {arguments!r}")
    _demand_arguments(arguments, inside.at("arguments"))
    return name, dict(arguments), singular is not None


def _demand_arguments(value: Any, place: ReadingPlace, key: str = "") -> None:
    """What a test puts into its SQL as it stands is an expression; what it quotes may be any text."""
    if isinstance(value, dict):
        for name, inner in value.items():
            _demand_arguments(inner, place.at(name), str(name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _demand_arguments(inner, place.at(index), key)
    elif isinstance(value, str) and key not in QUOTED and not PLAIN_NAME.fullmatch(value):
        demand_expression(value, path=place.path, line=place.line)


def _library_test(entry: Mapping[str, Any], column: str | None, place: ReadingPlace) -> Test:
    operators = {key: entry[key] for key in entry if key in OPERATORS}
    if entry.get("metric") == "invalidValues":
        values = entry.get("arguments", {}).get("validValues")
        if column is None:
            raise place.refuse("invalidValues stands on a column, not on the dataset")
        if not isinstance(values, list) or not values or set(entry["arguments"]) != {"validValues"}:
            raise place.refuse("invalidValues: expected arguments: {validValues: [...]}")
        for index, text in enumerate(values):
            if "'" in str(text):  # dbt's own test puts them between quotes as they are
                where = place.at("arguments", "validValues", index)
                raise where.refuse(f"invalidValues: {text!r} holds a quote", "use a pattern")
        if operators != {"mustBe": 0}:
            raise place.refuse(f"invalidValues: expected mustBe: 0, found {operators}")
        return "accepted_values", {"values": list(values)}, False
    if entry.get("metric") == "rowCount":
        if column is not None:
            raise place.refuse("rowCount stands on the dataset, not on a column")
        if not operators or not operators.keys() <= ROW_COUNT_BOUNDS.keys():
            raise place.refuse(f"rowCount: expected {' or '.join(ROW_COUNT_BOUNDS)}: <number>")
        arguments = {ROW_COUNT_BOUNDS[key]: value for key, value in operators.items()}
        return ROW_COUNT, arguments, False
    cure = "use invalidValues, rowCount, or a dbt test"
    raise place.refuse(f"no test is made for the metric {entry.get('metric')!r}", cure)
