"""Rules that pass over most rows by hashes or intervals find on random logs what a comparison of all rows finds."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from lab.postgres_server import PostgresServer
from mbp.quality.compiled_tests import read_tests
from tests.python.built import Built

START = datetime(2026, 1, 5, tzinfo=UTC)
QUOTES = {
    "quote_id": "varchar",
    "market_id": "varchar",
    "quoted_at": "timestamptz",
    "price": "decimal(18, 8)",
    "volume": "decimal(18, 8)",
    "depth_2pct": "decimal(18, 8)",
    "twap_5m": "decimal(18, 8)",
}
CHANGE = {
    "change_operation": "varchar",
    "is_deleted": "boolean",
    "log_position": "bigint",
    "committed_at": "timestamptz",
    "loaded_at": "timestamptz",
}
TABLES = {
    "staging.stg_mbp__quotes": {**QUOTES, **CHANGE},
    "marts.mbp_quotes": QUOTES,
    "marts.mbp_trades": {
        "quote_id": "varchar",
        "market_id": "varchar",
        "traded_at": "timestamptz",
        "shares": "decimal(18, 8)",
    },
    "marts.mbp_markets": {"market_id": "varchar"},
    "intermediate.int_mbp__market_status_intervals": {
        "market_id": "varchar",
        "status": "varchar",
        "valid_from": "timestamptz",
        "valid_to": "timestamptz",
    },
    "intermediate.int_mbp__quotes_latest": {"loaded_at": "timestamptz"},
    "intermediate.int_mbp__quotes_twap": {
        "quote_id": "varchar",
        "market_id": "varchar",
        "quoted_at": "timestamptz",
        "twap_5m": "decimal(18, 8)",
        "recomputed_twap_5m": "decimal(18, 8)",
        "loaded_at": "timestamptz",
    },
}
# What the rules say without a shorter way, over all rows. The values of a log never decide between two changes that the
# log itself does not order.
NO_LOSS = f"""
with expected as (
    select * from (
        select *, row_number() over (
            partition by quote_id
            order by log_position desc nulls last, committed_at desc nulls last, loaded_at asc nulls last
        ) as recency
        from staging.stg_mbp__quotes where quote_id is not null
    ) as ranked
    where recency = 1 and not is_deleted
),
published as (select * from marts.mbp_quotes where quote_id is not null)
select coalesce(expected.quote_id, published.quote_id), case
    when published.quote_id is null then 'in the change log, not published'
    when expected.quote_id is null then 'published, not in the change log'
    else 'published with other content than the newest change' end
from expected full outer join published on expected.quote_id = published.quote_id
where expected.quote_id is null or published.quote_id is null
    or {" or ".join(f"expected.{name} is distinct from published.{name}" for name in QUOTES)}
"""
ORDER = f"""
select quote_id, log_position, 'the commit time goes back' from (
    select *, lag(committed_at) over (partition by quote_id order by log_position, committed_at) as before
    from staging.stg_mbp__quotes where quote_id is not null
) as ordered where committed_at < before
union all
select quote_id, log_position, finding from (
    select quote_id, log_position, case
        when log_position is null or committed_at is null then 'no position or no commit time'
        when loaded_at is null then 'no arrival time'
        when change_operation is null or change_operation not in ('r', 'c', 'u', 'd')
            then 'an operation that is none of r, c, u, d'
        when is_deleted is null then 'a delete mark that is neither true nor false' end as finding
    from staging.stg_mbp__quotes
) as told where finding is not null
union all
select quote_id, log_position, 'two changes in one position' from (
    select distinct {", ".join(QUOTES)}, change_operation, is_deleted, committed_at, log_position
    from staging.stg_mbp__quotes where quote_id is not null
) as contents group by quote_id, log_position having count(*) > 1
"""
CLOSED = """
select traded.* from (
    select quote_id, market_id, traded_at, shares from marts.mbp_trades
    union all
    select quote_id, market_id, quoted_at, volume from marts.mbp_quotes as quotes
    where volume > 0 and not exists (
        select 1 from marts.mbp_trades as trades
        where trades.market_id = quotes.market_id and trades.traded_at <= quotes.quoted_at
    )
) as traded inner join marts.mbp_markets as markets on traded.market_id = markets.market_id
where traded_at is not null and not exists (
    select 1 from intermediate.int_mbp__market_status_intervals as intervals
    where status = 'open' and intervals.market_id = traded.market_id and traded_at >= valid_from
        and (traded_at <= valid_to or valid_to is null)
)
"""
UNIQUE = """
select * from marts.mbp_quotes
where quote_id in (select quote_id from marts.mbp_quotes group by quote_id having count(*) > 1)
"""
PLAIN = {
    "mbp_quotes_quote_id_unique": UNIQUE,
    "mbp_quotes_cdc_no_loss": NO_LOSS,
    "mbp_quotes_cdc_order": ORDER,
    "closed_market_no_trades": CLOSED,
}
Run = Callable[[str], list[Any]]
Rows = list[tuple[Any, ...]]


def second(number: int | None) -> datetime | None:
    return None if number is None else START + timedelta(seconds=number)


def random_rows(seed: int) -> dict[str, Rows]:
    """Logs with nulls, deletes, re-inserts, changes delivered again or twice in one position; and what is published of
    them: as it should be, or lost, old, changed, twice, or made up."""
    chance = random.Random(seed)  # noqa: S311 - a sample of cases, not a secret
    log: Rows = []
    published: Rows = []
    for number in range(300):
        key = None if number % 50 == 7 else f"q{number}"
        contents: Rows = []
        for position in range(chance.choice((0, 1, 1, 1, 2, 3, 4))):
            content = (
                f"m{chance.randrange(6)}",
                second(chance.choice((None, *range(40)))),
                *(chance.choice((None, "0.5", "0.50000001", "0")) for _ in range(4)),
            )
            changes = [
                (*content, chance.choice("rcuud"), chance.choice((None, False, False, True)))
            ]
            if chance.random() < 0.1:
                changes.append((*content[:4], "1", content[5], "u", False))
            changes += changes[: chance.choice((0, 0, 1))]
            place = None if chance.random() < 0.02 else position
            commit = second(
                None if chance.random() < 0.02 else position + chance.choice((0, 0, -3))
            )
            for change in changes:
                arrived = None if chance.random() < 0.02 else second(1000 + len(log))
                log.append((key, *change, place, commit, arrived))
            contents.append(content)
        newest = contents[-1:] if log and contents and log[-1][8] is False else []
        shown = chance.choice((newest, newest, newest, contents, contents[:1], newest * 2, []))
        published += [(key, *content) for content in shown]
    published.append(("made up", "m1", second(1), "0.5", "0.5", "0.5", "0.5"))
    chance.shuffle(log)
    return {
        "staging.stg_mbp__quotes": log,
        "marts.mbp_quotes": published,
        "marts.mbp_trades": [
            (
                f"q{chance.randrange(300)}",
                f"m{chance.randrange(3)}",
                second(chance.randrange(40)),
                "1",
            )
            for _ in range(30)
        ],
        "marts.mbp_markets": [(f"m{number}",) for number in range(5)],
        "intermediate.int_mbp__market_status_intervals": intervals(chance),
    }


def intervals(chance: random.Random) -> Rows:
    """Of some markets; as the model makes them they never overlap, and only the last may have no end."""
    rows: Rows = []
    for market in ("m0", "m1", "m2", "m5"):
        ends = sorted(chance.sample(range(40), chance.choice((1, 2, 5, 8))))
        for begins, until in zip(ends, [*ends[1:], chance.choice((None, 45))], strict=True):
            status = chance.choice(("open", "open", "paused"))
            rows.append((market, status, second(begins), second(until)))
    return [*rows, ("m3", "open", None, None)]


def literal(value: object) -> str:
    return "null" if value is None else f"'{value}'"


def fill(run: Run, rows: dict[str, Rows]) -> None:
    for name, listed in rows.items():
        columns = TABLES[name]
        run(f"delete from {name}")
        values = ", ".join(
            "("
            + ", ".join(
                f"cast({literal(v)} as {t})" for v, t in zip(row, columns.values(), strict=True)
            )
            + ")"
            for row in listed
        )
        run(f"insert into {name} values {values}")


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def engine(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, postgres_database: str
) -> Iterator[tuple[str, Run]]:
    """Empty tables with the names of the project's."""
    if request.param == "duckdb":
        memory = duckdb.connect()

        def run(sql: str) -> list[Any]:
            return memory.execute(sql).fetchall()
    else:
        connection = postgres_server.connect(postgres_database)
        cursor = connection.cursor()

        def run(sql: str) -> list[Any]:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    for schema in {name.split(".")[0] for name in TABLES}:
        run(f"create schema {schema}")
    for name, columns in TABLES.items():
        run(
            f"create table {name} ({', '.join(f'{column} {type_}' for column, type_ in columns.items())})"
        )
    yield request.param, run
    (memory if request.param == "duckdb" else connection).close()


def rules(built: Built, target: str) -> dict[str, str]:
    """Rule -> its SQL on tables of any database."""
    manifest = json.loads((built.artifacts(target) / "manifest.json").read_text("utf-8"))
    return {
        test.rule_id: re.sub(r'"[^"]+"\.("(?:staging|marts|intermediate)"\.)', r"\1", test.sql)
        for test in read_tests(manifest)
    }


@pytest.mark.slow
def test_the_shorter_way_finds_the_same_rows(built: Built, engine: tuple[str, Run]) -> None:
    target, run = engine
    compiled = rules(built, target)
    found = Counter[str]()
    for seed in range(12):
        fill(run, random_rows(seed))
        for rule, plain in PLAIN.items():
            expected = Counter(run(plain))
            assert Counter(run(compiled[rule])) == expected, (rule, seed)
            found[rule] += len(expected)
    assert min(found[rule] for rule in PLAIN) > 100


def test_an_average_is_judged_when_no_earlier_quote_may_be_on_its_way(
    built: Built, engine: tuple[str, Run]
) -> None:
    """Which the contract allows for as long as a change may take to arrive: 120 seconds."""
    target, run = engine
    newest = 10_000
    cases = {
        "it was quoted and arrived a moment ago": (newest - 60, newest - 59, False),
        "it has been there for longer": (newest - 130, newest - 121, True),
        "it was quoted long ago and is corrected now": (5, newest, True),
        "it was quoted in time and arrived late": (newest - 121, newest - 1, True),
        "its clock is far ahead": (10**8, newest - 121, True),
        "its arrival is unknown": (newest - 130, None, True),
    }
    wrong = [
        (case, "m", second(quoted), "0.5", "0.50001", second(arrived))
        for case, (quoted, arrived, _) in cases.items()
    ]
    right = ("right", "m", second(5), "0.5", "0.5000005", second(6))
    averages = {"intermediate.int_mbp__quotes_twap": [*wrong, right]}
    arrivals = {"intermediate.int_mbp__quotes_latest": [(second(newest),), (second(6),), (None,)]}
    fill(run, averages | arrivals)
    judged = {case for case, (_, _, is_judged) in cases.items() if is_judged}
    reconciles = rules(built, target)["twap_reconciles"]
    assert {row[0] for row in run(reconciles)} == judged
    # Nothing says how new the data is: all of it is judged.
    run("delete from intermediate.int_mbp__quotes_latest")
    assert {row[0] for row in run(reconciles)} == cases.keys()
