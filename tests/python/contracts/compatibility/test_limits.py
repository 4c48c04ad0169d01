"""Judging never dies and never takes minutes, whatever patterns, sizes and numbers a contract has."""

from __future__ import annotations

import resource
from typing import Any

import pytest

from compatibility.test_never_ok import contract
from mbp.contracts.compatibility import witness
from mbp.contracts.compatibility.diff import diff, verdicts

SECONDS = 5.0


def column(logical: str = "string", physical: str | None = None, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"logicalType": logical}
    if physical:
        found["physicalType"] = physical
    return found | ({"logicalTypeOptions": options} if options else {})


def array(count: int, item: str, **options: Any) -> dict[str, Any]:
    return {**column("array", minItems=count, **options), "items": {"logicalType": item}}


def nested(levels: int, leaf: str) -> dict[str, Any]:
    found: dict[str, Any] = {"logicalType": leaf}
    for level in range(levels):
        found = (
            {"logicalType": "object", "properties": [{"name": f"n{level}", **found}]}
            if level % 2
            else {"logicalType": "array", "items": found}
        )
    return found


def listed(*values: Any, **more: Any) -> dict[str, Any]:
    return {**column(**more), "enum": [{"value": value} for value in values]}


HARD = "^(a|b)*a(a|b){%d}$"
CASES = {
    "a listed text and a nested repetition": (
        listed("a" * 40 + "!"),
        listed("a" * 40 + "!", pattern="^(a+)+$"),
        "break",
    ),
    "a property of Unicode": (column(), column(pattern=r"^\p{L}+$"), "break"),
    "flags in the middle": (column(pattern="^(?i)abc$"), column(pattern="^abc$"), "unknown"),
    "no pattern at all": (column(), column(pattern="("), "unknown"),
    "many parentheses": (
        column(pattern="(" * 900 + "a" + ")" * 900),
        column(pattern="b"),
        "unknown",
    ),
    "automata that explode": (column(pattern=HARD % 20), column(pattern=HARD % 21), "unknown"),
    "shortest above longest": (
        column(minLength=5, maxLength=3, pattern="^a"),
        column(minLength=5, maxLength=3, pattern="^ab"),
        "unknown",
    ),
    "texts as long as a disk": (column(maxLength=10**12), column(maxLength=10**11), "break"),
    "texts for a whole number": (
        {**listed("a", "b"), "physicalType": "varchar(32)"},
        {**listed("a", "b"), "physicalType": "varchar(32)", "logicalType": "integer"},
        "break",
    ),
    "100000 items": (array(10**5, "string"), array(10**5, "integer"), "break"),
    "a billion items": (array(10**9, "string"), array(10**9, "integer"), "break"),
    "many equal items": (
        array(10**5, "integer"),
        array(10**5, "integer", uniqueItems=True),
        "break",
    ),
    "a decimal of 100 million digits": (
        column("number", "decimal(100000000,2)"),
        column("number", "decimal(10,2)"),
        "break",
    ),
    "a decimal of 500 digits": (
        column("number", "numeric(500,10)"),
        column("number", "numeric(400,10)", minimum=0),
        "break",
    ),
    "a bound beyond every type": (
        column("number", "decimal(10,2)", minimum=-1e308),
        column("number", "decimal(10,2)", minimum=1e308),
        "break",
    ),
    "30 levels": (nested(30, "string"), nested(30, "integer"), "break"),
    "60 levels": (nested(60, "string"), nested(60, "integer"), "break"),
    "a type of 500 levels": (
        {"physicalType": "array<" * 500 + "int" + ">" * 500},
        {"physicalType": "array<" * 500 + "bigint" + ">" * 500},
        "unknown",
    ),
    "5000 values": (
        listed(*(f"v{number}" for number in range(5000))),
        listed(*(f"v{number}" for number in range(2500, 7500))),
        "break",
    ),
}


def processor_time() -> float:
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


@pytest.mark.parametrize("name", CASES)
def test_a_verdict_in_time(name: str) -> None:
    old, new, backward = CASES[name]
    started = processor_time()
    both = verdicts(diff(contract(old), contract(new)))
    assert processor_time() - started < SECONDS
    assert both.backward.value in (backward, "unknown")


def test_many_hard_patterns_share_one_limit() -> None:
    sides = []
    for letter in "ab":
        whole = contract(column())
        whole["schema"][0]["properties"] = [
            {"name": f"c{number}", **column(pattern=f"^(a|b)*{letter}(a|b){{{20 + number}}}$")}
            for number in range(20)
        ]
        sides.append(whole)
    started = processor_time()
    changes = diff(*sides)
    assert processor_time() - started < 2 * SECONDS
    assert {change.backward.value for change in changes} == {"unknown"}
    assert all(change.note for change in changes)


def test_two_hundred_tables_of_a_hundred_columns() -> None:
    sides = []
    for length in (40, 41):
        whole = contract(column())
        whole["schema"] = [
            {
                "name": f"t{table}",
                "properties": [
                    {"name": f"c{number}", **column("string", "varchar(40)", maxLength=40)}
                    for number in range(100)
                ],
            }
            for table in range(200)
        ]
        whole["schema"][7]["properties"][3]["logicalTypeOptions"] = {"maxLength": length}
        sides.append(whole)
    started = processor_time()
    changes = diff(*sides)
    assert processor_time() - started < SECONDS
    assert len(changes) == 1


def test_a_row_that_cannot_be_built_leaves_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any) -> None:
        raise KeyError("row")

    monkeypatch.setattr(witness, "_attempts", fail)
    (change,) = diff(contract(column(maxLength=9)), contract(column(maxLength=3)))
    assert change.backward.value == "break"
    assert "no counterexample shown: KeyError" in change.note


def test_codes_name_what_changed_and_not_the_verdict() -> None:
    old = {**listed("a"), "physicalType": "varchar(10)"}
    (change,) = diff(contract(old), contract({**old, "physicalType": "varchar(5)"}))
    assert (change.code, change.backward.value) == ("type_length_decreased", "ok")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (column(), column(maxLength=0), "max_length_tightened"),
        (
            {**column("array"), "items": column()},
            array(0, "string", maxItems=0),
            "max_items_tightened",
        ),
    ],
)
def test_a_maximum_of_nothing_is_a_limit(old: Any, new: Any, code: str) -> None:
    changes = diff(contract(old), contract(new))
    assert [(change.code, change.backward.value) for change in changes] == [(code, "break")]
