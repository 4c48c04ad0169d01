"""Prices and calibration that are added to are those of a full refresh, whatever arrived late, changed or left."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from lab.postgres_server import PostgresServer
from mbp.runs.dbt_process import run_dbt
from tests.python.built import Built, copied

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

MODELS = [
    *("int_mbp__quotes_latest", "int_mbp__markets_latest", "int_mbp__resolutions_latest"),
    *("sem_hour_prices", "sem_calibration"),
]
RELATIONS = ("semantic.sem_hour_prices", "semantic.sem_calibration")
NOW = "timestamptz '2026-01-06 23:59:40+00'"
POSITION = "(select max(__source_lsn) from sample_mbp.{table}) + row_number() over ()"
# Of three resolved markets: the last quote before an hour before the close is deleted, one a second before it
# arrives late, and the outcome of one is taken back.
CHANGES = f"""
create temp table resolved as
select market_id, closed_at, resolution_id, row_number() over (order by market_id) as number
from marts.mbp_resolutions inner join marts.mbp_markets using (market_id)
where decided_value in ('YES', 'NO');

insert into sample_mbp.quotes by name
select quotes.* replace (
    'd' as __op, 'true' as __deleted, {POSITION.format(table="quotes")} as __source_lsn, {NOW} as _loaded_at
)
from sample_mbp.quotes as quotes inner join resolved using (market_id)
where resolved.number = 1 and quotes.quoted_at <= resolved.closed_at - interval '1 hour'
qualify row_number() over (order by quotes.quoted_at desc, __source_lsn desc) = 1;

insert into sample_mbp.quotes by name
select quotes.* replace (
    'late' as quote_id, 0.99 as price, resolved.closed_at - interval '3601 seconds' as quoted_at,
    {POSITION.format(table="quotes")} as __source_lsn, {NOW} as _loaded_at
)
from sample_mbp.quotes as quotes inner join resolved using (market_id)
where resolved.number = 2
qualify row_number() over (order by quotes.quoted_at desc) = 1;

insert into sample_mbp.resolutions by name
select resolutions.* replace (
    'VOID' as decided_value, 'u' as __op, {POSITION.format(table="resolutions")} as __source_lsn,
    {NOW} as _loaded_at
)
from sample_mbp.resolutions as resolutions inner join resolved using (resolution_id)
where resolved.number = 3;
"""


def rows(file: str) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(file, read_only=True) as connection:
        return {
            name: connection.execute(f"select * from {name} order by all").fetchall()
            for name in RELATIONS
        }


def test_increments_are_a_full_refresh(
    built: Built, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with copied(built, postgres_server, "duckdb", tmp_path) as settings:
        file = settings["MBP_DUCKDB_PATH"]
        before = rows(file)
        with duckdb.connect(file) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(CHANGES)
        found = []
        for option in ([], ["--full-refresh"]):
            outcome = run_dbt(
                built.root,
                ["run", "--select", *MODELS, *option],
                artifacts=tmp_path,
                changes=settings,
                quiet=True,
            )
            assert outcome.success, outcome.problem or [one.message for one in outcome.result]
            found.append(rows(file))
    incremental, full = found
    for name in RELATIONS:
        assert incremental[name] == full[name], name
        assert full[name] != before[name], name
    assert len(full[RELATIONS[1]]) < len(before[RELATIONS[1]])
