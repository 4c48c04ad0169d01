"""The rows that are shown: the right query, read only, limited, masked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import pytest

from mbp.core.masking import mask
from mbp.quality.rule_findings import RuleVerdict, collect
from mbp.quality.samples import FailingRows, classes_of, sample_query, take_sample

QUOTES = '"mbp"."marts"."mbp_quotes"'


class DuckdbReader:
    """The reading half of a warehouse, on a database in memory."""

    engine = "duckdb"

    def __init__(self) -> None:
        self.connection = duckdb.connect(":memory:")
        self.connection.execute("attach ':memory:' as mbp")
        for schema in ("marts", "intermediate"):
            self.connection.execute(f"create schema mbp.{schema}")
        values = (
            "('q1', 'm1', 0.5, 'ana'), ('q2', 'm9', null, 'eva'), ('q2', 'm1', 2.0, 'eva'),"
            " ('q3', 'm1', null, null)"
        )
        columns = "(quote_id, market_id, price, user_id_hash)"
        self.connection.execute(
            f"create table mbp.marts.mbp_quotes as select * from (values {values}) as t{columns}"
        )
        self.connection.execute(
            "create table mbp.intermediate.int_mbp__quotes_latest as"
            " select *, quote_id = 'q3' as is_deleted from mbp.marts.mbp_quotes"
        )

    def query(
        self, sql: str, params: Sequence[Any] | None = None
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        found = self.connection.execute(sql, params)
        return [one[0] for one in found.description], found.fetchall()


@pytest.fixture
def reader() -> Iterator[DuckdbReader]:
    made = DuckdbReader()
    yield made
    made.connection.close()


def failing(artifacts: Any, rule_id: str) -> RuleVerdict:
    found = collect(artifacts.manifest, artifacts.run_results, artifacts.rules)
    return next(one for one in found if one.rule_id == rule_id)


def shown(artifacts: Any, reader: DuckdbReader, rule_id: str, limit: int = 5) -> FailingRows:
    query = sample_query(failing(artifacts, rule_id), artifacts.manifest, {})
    for name in ("mbp_quotes", "int_mbp__quotes_latest"):
        node = artifacts.nodes[f"model.mbp.{name}"]
        node["columns"] = {
            **{
                column: {"meta": {"classification": "public"}}
                for column in ("quote_id", "market_id", "price", "is_deleted")
            },
            "user_id_hash": {"meta": {"classification": "personal"}},
        }
    classes = classes_of([], artifacts.manifest, reader)
    return take_sample(query, reader, limit=limit, classes=classes)


def test_not_null_shows_the_whole_rows(artifacts: Any, reader: DuckdbReader) -> None:
    code = f"select price from {QUOTES} where price is null"
    artifacts.test("r", "fail", failures=2, code=code, column="price", kind="not_null")
    rows = shown(artifacts, reader, "r").rows
    assert [(row["quote_id"], row["price"]) for row in rows] == [("q2", None), ("q3", None)]
    assert [row["user_id_hash"] for row in rows] == [mask("eva"), None]


@pytest.mark.parametrize(
    ("kind", "code", "column", "keys"),
    [
        (
            "unique",
            f"select quote_id as unique_field, count(*) as n_records from {QUOTES}"
            " group by quote_id having count(*) > 1",
            "quote_id",
            ["q2", "q2"],
        ),
        (
            "relationships",
            f"with child as (select market_id as from_field from {QUOTES})"
            " select from_field from child where from_field <> 'm1'",
            "market_id",
            ["q2"],
        ),
        (
            "accepted_values",
            f"select price as value_field, count(*) as n_records from {QUOTES}"
            " where price > 1 group by price",
            "price",
            ["q2"],
        ),
    ],
)
def test_a_value_is_shown_with_the_rows_that_hold_it(
    artifacts: Any, reader: DuckdbReader, *, kind: str, code: str, column: str, keys: list[str]
) -> None:
    artifacts.test("r", "fail", failures=1, code=code, column=column, kind=kind)
    sample = shown(artifacts, reader, "r")
    assert [row["quote_id"] for row in sample.rows] == keys
    assert sample.hidden == ("user_id_hash",)
    # dbt counts values here, and a finding counts rows.
    finding = failing(artifacts, "r")
    assert (finding.message, finding.failing_rows) == ("1 failing value", None)
    assert sample.failing_rows == len(keys)


@pytest.mark.parametrize("kind", ["unique", "relationships", "accepted_values"])
def test_a_test_of_the_project_in_place_of_dbts_returns_rows(
    artifacts: Any, reader: DuckdbReader, kind: str
) -> None:
    code = f"select * from {QUOTES} where quote_id = 'q2'"
    artifacts.test("r", "fail", failures=2, code=code, column="quote_id", kind=kind)
    assert [row["quote_id"] for row in shown(artifacts, reader, "r").rows] == ["q2", "q2"]
    assert failing(artifacts, "r").message == "2 failing rows"


def test_a_test_on_a_personal_column_shows_no_value(artifacts: Any, reader: DuckdbReader) -> None:
    code = f"select user_id_hash as who, quote_id from {QUOTES} where user_id_hash = 'ana'"
    artifacts.test("r", "fail", failures=1, code=code, column="user_id_hash", kind="pattern")
    sample = shown(artifacts, reader, "r")
    assert sample.rows == ({"who": mask("ana"), "quote_id": "q1"},)
    assert "ana" not in str(sample)


def test_the_limit_holds(artifacts: Any, reader: DuckdbReader) -> None:
    artifacts.test("r", "fail", failures=4, code=f"select * from {QUOTES}")
    assert len(shown(artifacts, reader, "r", limit=2).rows) == 2


def test_a_stopped_build_is_sampled_from_the_state_before_it(
    artifacts: Any, reader: DuckdbReader
) -> None:
    artifacts.model(
        "mbp_quotes",
        parents=["model.mbp.int_mbp__quotes_latest"],
        status="error",
        message="NOT NULL constraint failed: mbp_quotes.price",
    )
    artifacts.test("mbp_quotes_price_not_null", "skipped", column="price", kind="not_null")
    sample = shown(artifacts, reader, "mbp_quotes_price_not_null")
    # q3 is a tombstone: the mart would not have taken it
    assert [row["quote_id"] for row in sample.rows] == ["q2"]
    assert sample.failing_rows == 1


def test_rows_that_are_gone_are_said(artifacts: Any, reader: DuckdbReader) -> None:
    artifacts.test("r", "fail", failures=4, code=f"select * from {QUOTES} where price = 7")
    assert shown(artifacts, reader, "r").note.startswith("no failing row any more")


def test_a_query_that_fails_now_is_a_note(artifacts: Any, reader: DuckdbReader) -> None:
    artifacts.test("r", "fail", failures=4, code="select * from gone")
    sample = shown(artifacts, reader, "r")
    assert sample.rows == ()
    assert sample.note.startswith("rows cannot be shown")


@pytest.mark.parametrize("status", ["pass", "error", "skipped"])
def test_nothing_is_asked_for_what_has_no_rows(artifacts: Any, status: str) -> None:
    artifacts.test("r", status, code=f"select * from {QUOTES}")
    assert sample_query(failing(artifacts, "r"), artifacts.manifest, {}) is None


def test_the_sql_of_the_run_wins_over_the_manifests(artifacts: Any) -> None:
    artifacts.test("r", "fail", failures=1, code="select 1 as old")
    finding = failing(artifacts, "r")
    query = sample_query(finding, artifacts.manifest, {finding.node: "select 2 as new;"})
    assert query is not None
    assert query.rows == "select * from (\nselect 2 as new\n) as failing"


@pytest.mark.parametrize(
    "sql",
    [
        "delete from marts.mbp_quotes",
        "select 1; drop table marts.mbp_quotes",
        "create table x as select 1",
        "with gone as (delete from marts.mbp_quotes returning *) select * from gone",
        "pragma database_list",
        "select from where (",
    ],
)
def test_only_one_query_is_ever_run(sql: str, artifacts: Any, reader: DuckdbReader) -> None:
    artifacts.test("r", "fail", failures=1, code=sql)
    before = reader.query(f"select count(*) from {QUOTES}")
    assert shown(artifacts, reader, "r").rows == ()
    assert reader.query(f"select count(*) from {QUOTES}") == before
