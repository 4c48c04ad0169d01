"""Engine errors: the rule they belong to, and no data value in what is told."""

from __future__ import annotations

import pytest

from mbp.quality.attribution import ConstraintViolation, constraint_violation, safe_message


@pytest.mark.parametrize(
    ("message", "kind", "column"),
    [
        (
            "Runtime Error in model mbp_quotes (models/marts/mbp/mbp_quotes.sql)\n"
            "  Constraint Error: NOT NULL constraint failed: mbp_quotes.price",
            "not_null",
            "price",
        ),
        (
            "Constraint Error: NOT NULL constraint failed: mbp_quotes__dbt_tmp.depth_2pct",
            "not_null",
            "depth_2pct",
        ),
        (
            "Database Error in model mbp_quotes (models/marts/mbp/mbp_quotes.sql)\n"
            '  null value in column "price" of relation "mbp_quotes__dbt_tmp" violates not-null'
            " constraint\n  DETAIL:  Failing row contains (q1, null).",
            "not_null",
            "price",
        ),
        (
            'null value in column "price" of relation "mbp_quotes__dbt_tmp101530" violates not-null'
            " constraint",
            "not_null",
            "price",
        ),
        (
            'Constraint Error: Duplicate key "quote_id: q1" violates primary key constraint.',
            "unique",
            "quote_id",
        ),
        (
            'duplicate key value violates unique constraint "mbp_quotes__dbt_tmp_pkey"\n'
            "  DETAIL:  Key (quote_id)=(q1) already exists.",
            "unique",
            "quote_id",
        ),
    ],
)
def test_a_constraint_names_its_rule(message: str, kind: str, column: str) -> None:
    found = constraint_violation(message)
    assert found == ConstraintViolation(kind=kind, column=column)
    assert found.rule_id("mbp_quotes") == f"mbp_quotes_{column}_{kind}"


@pytest.mark.parametrize(
    "message",
    [
        'Catalog Error: Table with name "quotes" does not exist',
        "duplicate key value violates unique constraint\n DETAIL: Key (a, b)=(1, 2) exists.",
        "CHECK constraint failed on table mbp_quotes with expression CHECK((price > 0))",
        "",
    ],
)
def test_another_error_is_not_attributed(message: str) -> None:
    assert constraint_violation(message) is None


def test_no_value_of_a_row_is_told() -> None:
    told = safe_message(
        "Database Error in model m (models/m.sql)\n"
        '  duplicate key value violates unique constraint "m_pkey"\n'
        "  DETAIL:  Key (user_id_hash)=(deadbeef) already exists."
    )
    assert told == 'duplicate key value violates unique constraint "m_pkey"'


@pytest.mark.parametrize(
    "message",
    [
        "Conversion Error: Could not convert string 'ana@example.com' to INT32",
        'Constraint Error: Duplicate key "user_id_hash: ana@example.com" violates unique ',
        'invalid input syntax for type bigint: "ana@example.com"',
        'invalid input syntax for type timestamp: "ana: @example.com"',
    ],
)
def test_quoted_values_are_hidden(message: str) -> None:
    told = safe_message(message)
    assert "example.com" not in told
    assert told.split()[0] == message.split(maxsplit=1)[0]


def test_the_name_of_a_relation_is_not_hidden() -> None:
    told = safe_message('relation "marts.mbp_quotes" does not exist')
    assert told == 'relation "marts.mbp_quotes" does not exist'


def test_an_empty_message_is_said() -> None:
    assert safe_message("\n \n") == "no message"
