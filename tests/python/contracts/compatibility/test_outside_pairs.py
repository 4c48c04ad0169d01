"""Pairs of contracts from outside the project, each with the verdicts that reason gives."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from compatibility.test_never_ok import contract, judged
from mbp.contracts.compatibility.diff import diff, verdicts


def both(old: dict[str, Any], new: dict[str, Any]) -> str:
    """The verdicts of two documents, like 'break ok'."""
    found = verdicts(diff(old, new))
    return f"{found.backward.value} {found.forward.value}"


def column(**keys: Any) -> dict[str, Any]:
    return contract({"logicalType": "string", **keys})


def quality(*rules: dict[str, Any]) -> dict[str, Any]:
    return column(quality=list(rules))


SQL = {"type": "sql", "mustBe": 0}
CUSTOM = {"type": "custom", "engine": "soda"}
TEXTS = [
    (quality({**SQL, "query": "select 'a  b'"}), quality({**SQL, "query": "select 'a b'"})),
    (
        quality({**SQL, "query": "select 1 -- x\n+ 1"}),
        quality({**SQL, "query": "select 1 -- x + 1"}),
    ),
    (column(transformLogic="x || 'a  b'"), column(transformLogic="x || 'a b'")),
    (
        quality({**CUSTOM, "implementation": "a:\n  b: 1"}),
        quality({**CUSTOM, "implementation": "a:\nb: 1"}),
    ),
    (
        quality({**CUSTOM, "implementation": {"required": False}}),
        quality({**CUSTOM, "implementation": {}}),
    ),
    (
        quality({**CUSTOM, "implementation": {"strict": True}}),
        quality({**CUSTOM, "implementation": {"strict": 1}}),
    ),
]


@pytest.mark.parametrize(("old", "new"), TEXTS)
def test_what_a_program_reads_is_compared_with_its_blanks_and_keys(old: Any, new: Any) -> None:
    assert both(old, new) == "unknown unknown"


def test_layout_of_a_query_says_nothing() -> None:
    old, new = ({**SQL, "query": text} for text in ("select  1\n from t", "select 1 from t\n"))
    assert diff(quality(old), quality(new)) == []


def test_one_is_not_true() -> None:
    old, new = (
        contract({"logicalType": "integer", "enum": [{"value": value}]}) for value in (1, True)
    )
    assert both(old, new) == "unknown unknown"


NULLS = {"metric": "nullValues"}
LISTED = {"metric": "invalidValues", "arguments": {"validValues": ["a"]}}
ROWS = {"metric": "rowCount"}
SORTED = {"metric": "duplicateValues", "mustBe": 0, "arguments": {"properties": ["a", "b"]}}
RULES = [
    ({**NULLS, "mustBeBetween": [0, 5]}, {**NULLS, "mustBeLessOrEqualTo": 5}, "ok ok"),
    ({**NULLS, "mustBeBetween": [5, 0]}, {**NULLS, "mustBe": 1}, "unknown unknown"),
    ({**NULLS, "mustBe": 0, "severity": "WARN"}, {**NULLS, "mustBe": 0}, "break ok"),
    (
        {**NULLS, "mustBe": 0, "severity": "WARN"},
        {**NULLS, "mustBe": 0, "severity": "warning"},
        "ok ok",
    ),
    ({**ROWS, "mustBeGreaterThan": 0}, {**ROWS, "mustBeGreaterOrEqualTo": 1}, "ok ok"),
    ({**NULLS, "mustBe": 0.5}, {**NULLS, "mustBe": 0}, "unknown unknown"),
    ({**NULLS, "mustBeGreaterThan": 0.5}, {**NULLS, "mustBeGreaterOrEqualTo": 1}, "ok ok"),
    ({**NULLS, "mustBeLessThan": 1.5}, {**NULLS, "mustBeLessOrEqualTo": 1}, "ok ok"),
    ({**LISTED, "mustBe": 0}, {**LISTED, "mustBeLessThan": 5}, "ok break"),
    ({**LISTED, "mustBeLessThan": 5}, {**LISTED, "mustBe": 0}, "break ok"),
    (SORTED, {**SORTED, "arguments": {"properties": ["b", "a"]}}, "ok ok"),
]


@pytest.mark.parametrize(("old", "new", "expected"), RULES)
def test_rules_by_what_they_accept(old: Any, new: Any, expected: str) -> None:
    assert both(quality(old), quality(new)) == expected


def level(value: Any, unit: str | None = None, name: str = "latency", **more: Any) -> Any:
    entry = {"property": name, "value": value, **({"unit": unit} if unit else {}), **more}
    return contract({"logicalType": "string"}, slaProperties=[entry])


LEVELS = [
    (level(1, "%", "errorRate"), level(0.01, None, "errorRate"), "unknown unknown"),
    (level(1, "m", "retention"), level(30, "d", "retention"), "unknown unknown"),
    (level(2, "m", "retention"), level(1, "m", "retention"), "ok break"),
    (level("4", "h"), level(4, "h"), "ok ok"),
    (level(4, "h"), level("4 h"), "ok ok"),
    (
        level("2032-05-12T09:30:10-08:00", name="endOfSupport"),
        level("2032-05-12T08:30:10-08:00", name="endOfSupport"),
        "ok break",
    ),
    (
        level("2032-05-12", name="endOfSupport"),
        level("2032-05-12x", name="endOfSupport"),
        "unknown unknown",
    ),
    (
        level("2032-05-12", name="endOfSupport"),
        level("2032-05-11", name="endOfSupport"),
        "ok break",
    ),
    ({**level(1, "h"), "slaDefaultElement": "t.c"}, level(1, "h", element="t.c"), "ok ok"),
    (
        {**level(1, "h"), "slaDefaultElement": "t.c"},
        {**level(1, "h"), "slaDefaultElement": "t.d"},
        "break break",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), LEVELS)
def test_levels_by_what_they_measure(old: Any, new: Any, expected: str) -> None:
    assert both(old, new) == expected


KEY = {"name": "k", "logicalType": "string", "required": True}
NESTED = [
    {"logicalType": "object", "properties": [KEY]},
    {"logicalType": "array", "items": {"logicalType": "object", "properties": [KEY]}},
]


@pytest.mark.parametrize("place", [0, 1])
def test_a_key_inside_a_column_is_a_key(place: int) -> None:
    old = NESTED[place]
    keyed = {**KEY, "primaryKey": True}
    inner = {"logicalType": "object", "properties": [keyed]}
    new = [inner, {**old, "items": inner}][place]
    changes = diff(contract(old), contract(new))
    assert {change.code for change in changes} == {"primary_key_added"}
    assert judged(new, old) == ("ok", "break")


def test_fields_that_are_demanded_and_not_described() -> None:
    one, two = ({"logicalTypeOptions": {"required": names}} for names in (["a"], ["a", "b"]))
    assert judged({"logicalType": "object", **one}, {"logicalType": "object", **two}) == (
        "break",
        "ok",
    )
    assert judged({"logicalType": "object", **one}, {"logicalType": "object"})[1] == "break"


def days(**options: Any) -> dict[str, Any]:
    form = {"format": "yyyy-MM-dd HH:mm:ss"}
    return {
        "logicalType": "date",
        "physicalType": "timestamp",
        "logicalTypeOptions": {**form, **options},
    }


MOMENTS = [
    (days(minimum="2020-01-01 00:00:00"), days(minimum="2020-01-01 12:00:00"), ("break", "ok")),
    (
        days(exclusiveMinimum="2020-01-01 00:00:00"),
        days(minimum="2020-01-02 00:00:00"),
        ("break", "ok"),
    ),
    (
        {"logicalType": "date", "logicalTypeOptions": {"minimum": "2020-01-01 01:00:00"}},
        {"logicalType": "date", "logicalTypeOptions": {"minimum": "2020-01-01 02:00:00"}},
        ("unknown", "unknown"),
    ),
    (
        {
            "logicalType": "timestamp",
            "logicalTypeOptions": {"minimum": "2020-01-01T00:00:00.1234561"},
        },
        {
            "logicalType": "timestamp",
            "logicalTypeOptions": {"minimum": "2020-01-01T00:00:00.1234562"},
        },
        ("unknown", "ok"),
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), MOMENTS)
def test_times_of_the_day_count(old: Any, new: Any, expected: tuple[str, str]) -> None:
    assert judged(old, new) == expected


def test_the_counterexample_of_a_stored_instant_is_one() -> None:
    old, new = (days(minimum=f"2020-01-0{day} 00:00:00") for day in (1, 2))
    (change,) = diff(contract(old), contract(new))
    assert change.witness["backward"]["row"]["c"].startswith("2020-01-01")


def test_a_reference_says_what_it_says_in_any_order() -> None:
    def of(*pairs: tuple[str, str], **keys: Any) -> dict[str, Any]:
        document = contract({"logicalType": "string"})
        sides = {"from": [pair[0] for pair in pairs], "to": [pair[1] for pair in pairs]}
        document["schema"][0]["relationships"] = [{**sides, **keys}]
        return document

    one, two = ("t.a", "u.a"), ("t.b", "u.b")
    assert both(of(one, two, type="foreignKey"), of(two, one)) == "ok ok"
    crossed = of(("t.a", "u.b"), ("t.b", "u.a"))
    assert both(of(one, two), crossed) == "break break"


def test_versions_that_are_not_semantic_go_up_too() -> None:
    old, new = (contract({"logicalType": "string"}, version=text) for text in ("1.10", "1.9"))
    assert both(old, new) == "break break"
    assert diff(new, old) == []


def test_snowflake_pads_nothing_and_a_serial_is_an_integer() -> None:
    old, new = ({"physicalType": text} for text in ("CHAR(10)", "VARCHAR(10)"))
    assert judged(old, new, "snowflake") == ("ok", "ok")
    assert judged(old, new, "postgres") == ("ok", "break")
    serial, bigint = ({"physicalType": text} for text in ("serial", "bigint"))
    assert judged(serial, bigint, "postgres") == ("ok", "break")


def test_many_levels_and_servers_are_compared_in_seconds() -> None:
    def of(value: int, kind: str) -> dict[str, Any]:
        levels = [
            {"property": "latency", "value": number + value, "unit": "h", "element": f"t.c{number}"}
            for number in range(1500)
        ]
        servers = [{"server": "s", "type": kind, "host": str(number)} for number in range(500)]
        return contract({"logicalType": "string"}, slaProperties=levels, servers=servers)

    started = time.process_time()
    assert len(diff(of(0, "postgres"), of(1, "postgres"))) == 1500
    assert time.process_time() - started < 5


@pytest.mark.parametrize("size", ["1e999999", "1e500"])
def test_numbers_beyond_counting_are_undecided(size: str) -> None:
    assert both(level(size, "h"), level("1e998", "h")) == "unknown unknown"
    old, new = (quality({**NULLS, "mustBeLessThan": Decimal(text)}) for text in (size, "5"))
    assert both(old, new) == "unknown unknown"
