"""What the rows and the columns of a query follow from."""

from __future__ import annotations

import pytest

from mbp.quality.measurable import missing_of
from mbp.quality.read_sets import Reads, followed


def table(name: str, *columns: str) -> Reads:
    return Reads({column: frozenset({f"{name}.{column}"}) for column in columns}, frozenset({name}))


RELATIONS = {
    ("raw", "quotes"): table("quotes", "id", "market", "price", "at", "__source_lsn", "loaded"),
    ("raw", "markets"): table("markets", "id", "status", "floor"),
    ("raw", "events"): table("events", "id", "at"),
}
QUERIES = [
    (
        "a filter decides the rows",
        "select id from raw.quotes where price > 1",
        "quotes quotes.price",
        {"id": "quotes.id"},
    ),
    (
        "a star has its columns",
        "select * from (select id, price from raw.quotes) as q",
        "quotes",
        {"id": "quotes.id", "price": "quotes.price"},
    ),
    (
        "a join decides the rows",
        "select q.price from raw.quotes q join raw.markets m on m.id = q.market and m.status = 'open'",
        "quotes quotes.market markets markets.id markets.status",
        {"price": "quotes.price"},
    ),
    (
        "a query in a filter, of the row outside",
        "select price from raw.quotes q where exists (select 1 from raw.events e where e.at = q.at)",
        "quotes quotes.at events events.at",
        {"price": "quotes.price"},
    ),
    (
        "a number of rows follows from the rows",
        "with flags as (select count(*) as n from raw.events where at > 3) select n from flags",
        "events events.at",
        {"n": "events events.at"},
    ),
    (
        "the place in the log alone decides the newest",
        "select id, price from (select *, row_number() over (partition by id"
        " order by __source_lsn desc, at) as recency from raw.quotes) as ranked where recency = 1",
        "quotes quotes.id quotes.__source_lsn",
        {"id": "quotes.id", "price": "quotes.price"},
    ),
    (
        "any other order counts whole",
        "select id from (select *, row_number() over (partition by id order by at, loaded) as recency"
        " from raw.quotes) as ranked where recency = 1",
        "quotes quotes.id quotes.at quotes.loaded",
        {"id": "quotes.id"},
    ),
    (
        "a union has both, by position",
        "select id as key from raw.quotes union all select status from raw.markets where floor > 0",
        "quotes markets markets.floor",
        {"key": "quotes.id markets.status"},
    ),
    (
        "distinct rows follow from what is compared",
        "select distinct price from raw.quotes",
        "quotes quotes.price",
        {"price": "quotes.price"},
    ),
    (
        "the first rows follow from their order",
        "select id from raw.quotes order by price limit 3",
        "quotes quotes.price",
        {"id": "quotes.id"},
    ),
]


@pytest.mark.parametrize(
    ("name", "sql", "rows", "columns"), QUERIES, ids=[query[0] for query in QUERIES]
)
@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_what_a_query_follows_from(
    name: str, sql: str, rows: str, columns: dict[str, str], dialect: str
) -> None:
    reads = followed(sql, dialect, RELATIONS)
    assert reads is not None, name
    assert reads.rows == frozenset(rows.split())
    assert {column: " ".join(sorted(raw)) for column, raw in reads.columns.items()} == {
        column: " ".join(sorted(raw.split())) for column, raw in columns.items()
    }


@pytest.mark.parametrize(
    "sql",
    [
        "select from",
        "select x from raw.nowhere",
        "select nothing from raw.quotes",
        "delete from raw.quotes",
    ],
)
def test_what_cannot_be_followed_is_not_guessed(sql: str) -> None:
    assert followed(sql, "duckdb", RELATIONS) is None


def test_each_part_of_a_union_with_its_constant_has_its_own() -> None:
    sql = (
        "with measures as (select 'price' as kpi, avg(price) as value from raw.quotes"
        " union all select 'flags', count(*) from raw.events), judged as (select kpi, value from measures)"
        " select kpi as kpi_id, value * 2 as value from judged"
    )
    reads = followed(sql, "duckdb", RELATIONS)
    assert reads is not None
    assert reads.parts["kpi_id", "price"].columns["value"] == {"quotes", "quotes.price"}
    assert reads.parts["kpi_id", "flags"].columns["value"] == {"events"}
    assert reads.columns["value"] == {"quotes", "quotes.price", "events"}


def test_an_absent_table_matters_to_those_who_read_a_column_of_it() -> None:
    absent = {
        "mbp.events": "no events",
        "mbp.quotes.price": "no price",
        "mbp.quotes.__source_ts_ms": "no time",
    }
    assert missing_of({"mbp.events", "mbp.events._loaded_at", "mbp.quotes"}, absent) is None
    assert missing_of({"mbp.events", "mbp.events.id"}, absent) == "no events"
    assert missing_of({"mbp.quotes.price"}, absent) == "no price"
    assert missing_of({"mbp.quotes.__source_ts_ms"}, absent) == "no time"
    assert missing_of({"mbp.quotes.id"}, absent) is None
