"""The canonical form: equal data is equal, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from lab.canonical import (
    CanonicalRelation,
    canonical_type,
    canonical_value,
    compare,
    relation_of,
)
from mbp.core.errors import MbpError
from mbp.warehouse.connection import DuckdbWarehouse

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "\\N"),
        ("\\N", "\\\\N"),
        ("", ""),
        (True, "true"),
        (1, "1"),
        (Decimal("0.50000000"), "0.50000000"),
        (Decimal("0E-8"), "0.00000000"),
        (NOON, "2026-01-05T12:00:00.000000Z"),
        (NOON.astimezone(timezone(timedelta(hours=-3))), "2026-01-05T12:00:00.000000Z"),
        (NOON.replace(tzinfo=None), "2026-01-05T12:00:00.000000"),
    ],
)
def test_values(value: object, text: str) -> None:
    assert canonical_value(value) == text


def test_a_value_without_canonical_form_is_refused() -> None:
    with pytest.raises(MbpError, match="no canonical form for a value of type list"):
        canonical_value([1])


def test_types_of_both_engines_have_one_name() -> None:
    assert canonical_type("DECIMAL(18,8)", 18, 8) == canonical_type("numeric", 18, 8)
    assert canonical_type("VARCHAR", None, None) == canonical_type("text", None, None)
    assert canonical_type("TIMESTAMP WITH TIME ZONE", None, None) == "instant"
    assert canonical_type("timestamp without time zone", None, None) != "instant"


def relation(
    name: str, rows: dict[str, tuple[str, ...]], kind: str = "string"
) -> CanonicalRelation:
    return CanonicalRelation(name, (("k", "string"), ("v", kind)), rows)


def test_equal_relations_have_no_difference() -> None:
    rows = {"1": ("1", "a")}
    assert compare(relation("a", rows), relation("b", dict(rows))) == []


def test_every_kind_of_difference_is_told() -> None:
    left = relation("a", {"1": ("1", "x"), "2": ("2", "")})
    right = relation("b", {"2": ("2", "\\N"), "3": ("3", "x")})
    assert compare(left, right) == ["row 1: only in a", "row 2: v:  / \\N", "row 3: only in b"]
    assert compare(left, relation("b", dict(left.rows), "instant")) == [
        "column v string: only in a",
        "column v instant: only in b",
    ]
    turned = CanonicalRelation("b", tuple(reversed(left.columns)), left.rows)
    assert compare(left, turned)[0].startswith("column order")


def test_many_differences_are_counted() -> None:
    left = relation("a", {str(n): (str(n), "x") for n in range(30)})
    told = compare(left, relation("b", {}), limit=5)
    assert told[-1] == "and 25 more rows differ"


def test_a_relation_that_is_not_there_or_has_no_key_is_refused(tmp_path: Path) -> None:
    with DuckdbWarehouse(tmp_path / "w.duckdb", read_only=False) as warehouse:
        warehouse.execute(
            "create table t as select * from (values ('1', 'a'), ('1', 'b')) as x (k, v)"
        )
        with pytest.raises(MbpError, match="not unique"):
            relation_of(warehouse, "main", "t", "k")
        with pytest.raises(MbpError, match="not in the warehouse"):
            relation_of(warehouse, "main", "nowhere", "k")
