"""Personal values never leave: by name, by alias, by position, by a test's own column names."""

from __future__ import annotations

import pytest

from mbp.quality.masking import Classification, mask, masked_columns, masked_rows, plain_row

CLASSES = Classification(
    personal=frozenset({"decided_by_hash", "user_id_hash"}),
    open=frozenset({"market_id", "price", "details"}),
)


def hidden(sql: str, columns: list[str], rule_columns: tuple[str, ...] = ()) -> set[str]:
    return set(
        masked_columns(
            columns, sql=sql, dialect="duckdb", rule_columns=rule_columns, classification=CLASSES
        )
    )


def test_the_mask_is_stable_short_and_not_the_value() -> None:
    assert mask("ana") == mask("ana")
    assert mask("ana") != mask("eva")
    assert len(mask("ana")) == 5
    assert "ana" not in mask("ana")
    assert mask(None) is None


def test_a_personal_column_is_masked_by_its_name() -> None:
    columns = ["market_id", "user_id_hash", "price"]
    assert hidden("select * from abuse", columns) == {"user_id_hash"}
    assert hidden("select * from abuse", ["USER_ID_HASH"]) == {"USER_ID_HASH"}


def test_nothing_is_masked_where_nothing_is_personal() -> None:
    sql = "select market_id, count(*) as found from quotes group by market_id"
    assert hidden(sql, ["market_id", "found"]) == set()


@pytest.mark.parametrize("field", ["unique_field", "value_field", "from_field"])
def test_the_field_of_a_test_on_a_personal_column_is_masked(field: str) -> None:
    sql = f"select user_id_hash as {field}, count(*) as n_records from abuse group by 1"
    assert hidden(sql, [field, "n_records"]) == {field}
    # even when the SQL does not say so, the rule does
    assert hidden("select * from checked", [field, "n_records"], ("user_id_hash",)) == {field}


@pytest.mark.parametrize("field", ["unique_field", "value_field", "from_field"])
def test_the_field_of_a_test_on_an_open_column_is_shown(field: str) -> None:
    sql = f"select market_id as {field}, count(*) as n_records from quotes group by 1"
    assert hidden(sql, [field, "n_records"], ("market_id",)) == set()


@pytest.mark.parametrize(
    "sql",
    [
        "select user_id_hash as details from abuse",
        "select lower(user_id_hash) || 'x' as details from abuse",
        "with a as (select user_id_hash as who from abuse) select who as details from a",
        "select details from quotes union all select user_id_hash from abuse",
        "select (select max(user_id_hash) as m from abuse) as details",
    ],
)
def test_an_open_name_over_a_personal_value_is_masked(sql: str) -> None:
    assert hidden(sql, ["details"]) == {"details"}


def test_a_renamed_column_list_is_masked() -> None:
    sql = "with a (who) as (select user_id_hash from abuse) select who from a"
    assert hidden(sql, ["who"]) == {"who"}


def test_sql_that_cannot_be_read_masks_everything() -> None:
    assert hidden("select from where (", ["price", "market_id"]) == {"price", "market_id"}


def test_rows_are_masked_by_column() -> None:
    rows = masked_rows(["market_id", "who"], [("m1", "ana"), ("m2", None)], frozenset({"who"}))
    assert rows == [{"market_id": "m1", "who": mask("ana")}, {"market_id": "m2", "who": None}]


def test_a_row_becomes_json() -> None:
    from datetime import UTC, datetime
    from decimal import Decimal

    moment = datetime(2026, 1, 2, tzinfo=UTC)
    assert plain_row({"a": Decimal("0E-8"), "b": moment, "c": None, "d": True}) == {
        "a": "0.00000000",
        "b": "2026-01-02 00:00:00+00:00",
        "c": None,
        "d": True,
    }
