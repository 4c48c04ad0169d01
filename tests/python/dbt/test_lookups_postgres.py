"""PostgreSQL finds what is asked for most by an index: the plan of each main lookup has no scan of a whole table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lab.postgres_server import PostgresServer
from mbp.ingest.initialise import initialise
from mbp.runs.dbt_process import environment
from mbp.warehouse import Warehouse, connect
from tests.python.built import Built, copied

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

ROWS = 100_000
# Times of the generated rows grow with their number, as those of a log do.
INSTANT = "timestamptz '2026-02-01' + n * interval '10 seconds'"
NEWEST = "timestamptz '2026-02-12 13:00:00+00:00'"
FILLED: dict[str, dict[str, str]] = {
    "marts.mbp_quotes": {"quote_id": "'g' || n", "market_id": "'m' || n % 500"},
    "intermediate.int_mbp__quotes_latest": {"quote_id": "'g' || n", "market_id": "'m' || n % 500"},
    "intermediate.int_mbp__quotes_twap": {"quote_id": "'g' || n", "market_id": "'m' || n % 500"},
    "raw_mbp.quotes": {"quote_id": "'g' || n", "market_id": "'m' || n % 500"},
    "marts.mbp_resolutions": {"resolution_id": "'r' || n", "market_id": "'m' || n"},
    "marts.mbp_abuse_events": {"abuse_event_id": "'a' || n", "market_id": "'m' || n % 500"},
    "reliability.kpi_cdc_lag": {"lag_id": "'l' || n"},
    "reliability.kpi_price_divergence": {"divergence_id": "'d' || n"},
    "reliability.kpi_decision_latency": {},
}
LOOKUPS = {
    "a quote by its key": "select * from marts.mbp_quotes where quote_id = 'g77'",
    "quotes of a market by time": (
        "select * from marts.mbp_quotes where market_id = 'm7'"
        " and quoted_at between timestamptz '2026-02-03' and timestamptz '2026-02-04'"
    ),
    "price in force": (
        "select max(quoted_at) from marts.mbp_quotes where market_id = 'm7' and quoted_at < timestamptz '2026-02-04'"
    ),
    "newest state of a key": "select * from intermediate.int_mbp__quotes_latest where quote_id = 'g77'",
    "states that arrived since": (
        f"select quote_id from intermediate.int_mbp__quotes_latest where loaded_at >= {NEWEST}"
    ),
    "newest state": "select max(loaded_at) from intermediate.int_mbp__quotes_latest",
    "changes that arrived since": (
        f"select * from raw_mbp.quotes where cast(_loaded_at as timestamptz) >= {NEWEST}"
    ),
    "newest arrival": "select max(cast(_loaded_at as timestamptz)) from raw_mbp.quotes",
    # Of the sample, whose log gets the index of a real one below: the view itself must not be in the way.
    "newest arrival, as models see it": "select max(loaded_at) from staging.stg_mbp__quotes",
    "newest average": "select max(loaded_at) from intermediate.int_mbp__quotes_twap",
    "averages that differ": (
        "select * from intermediate.int_mbp__quotes_twap where abs(twap_5m - recomputed_twap_5m) > 0.000001"
    ),
    "prices away from their average": (
        "select * from intermediate.int_mbp__quotes_twap where divergence_ratio > 0.01"
    ),
    "the resolution of a market": "select * from marts.mbp_resolutions where market_id = 'm77'",
    "abuse in a market": "select * from marts.mbp_abuse_events where market_id = 'm7'",
    **{
        f"windows of {table} since": (
            f"select * from reliability.{table} where window_start >= {NEWEST}"
        )
        for table in ("kpi_cdc_lag", "kpi_price_divergence", "kpi_decision_latency")
    },
}


def fill(warehouse: Warehouse, relation: str, known: Mapping[str, str]) -> None:
    """Adds rows that satisfy the relation's constraints, as many as the planner needs to care."""
    schema, table = relation.split(".")
    columns = warehouse.query(
        "select column_name, data_type from information_schema.columns"
        f" where table_schema = '{schema}' and table_name = '{table}' order by ordinal_position"
    )[1]
    values = {
        "timestamp with time zone": INSTANT,
        "text": "'x'",
        "boolean": "false",
        "bigint": "n",
        "numeric": "0.001",
        "double precision": "0.001",
    }
    chosen = ", ".join(known.get(name, values[kind]) for name, kind in columns)
    warehouse.execute(
        f"insert into {relation} select {chosen} from generate_series(1, {ROWS}) as n"
    )
    warehouse.execute(f"analyze {relation}")


@pytest.fixture(scope="module")
def filled(
    built: Built, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    folder: Path = tmp_path_factory.mktemp("lookups")
    with (
        copied(built, postgres_server, "postgres", folder) as settings,
        environment(settings),
        connect(built.root, "postgres") as warehouse,
    ):
        initialise(built.root, warehouse)
        warehouse.execute("create index on sample_mbp.quotes (_loaded_at)")
        for relation, known in FILLED.items():
            fill(warehouse, relation, known)
        yield warehouse


def scans(plan: Mapping[str, Any]) -> Iterator[str]:
    """Relations that the plan reads from end to end."""
    if plan["Node Type"] in ("Seq Scan", "Parallel Seq Scan"):
        yield str(plan["Relation Name"])
    for part in plan.get("Plans", ()):
        yield from scans(part)


def plan_of(warehouse: Warehouse, sql: str) -> dict[str, Any]:
    explained = warehouse.query(f"explain (format json) {sql}")[1][0][0]
    plan: dict[str, Any] = explained[0]["Plan"]
    return plan


@pytest.mark.parametrize("name", LOOKUPS)
def test_the_main_lookups_read_no_whole_table(filled: Warehouse, name: str) -> None:
    plan = plan_of(filled, LOOKUPS[name])
    assert list(scans(plan)) == [], plan


def test_a_lookup_without_an_index_is_told(filled: Warehouse) -> None:
    plan = plan_of(filled, "select * from marts.mbp_quotes where volume = 5")
    assert list(scans(plan)) == ["mbp_quotes"]
