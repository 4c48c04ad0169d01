"""Daily arrivals in increments are those of one full refresh, over midnights, silences and late rows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab.postgres_server import PostgresServer
from mbp.ingest.initialise import initialise
from mbp.runs.dbt_process import environment, run_dbt
from mbp.warehouse import connect

pytestmark = [pytest.mark.slow, pytest.mark.postgres]
START = datetime(2026, 1, 5, 20, tzinfo=UTC)
SELECTION = ["--select", "path:models/staging/mbp", "int_mbp__daily_arrivals"]


@pytest.fixture(params=["duckdb", "postgres"])
def target(
    request: pytest.FixtureRequest,
    postgres_server: PostgresServer,
    postgres_database: str,
    tmp_path: Path,
) -> Iterator[str]:
    settings = {
        **postgres_server.environment(postgres_database),
        "MBP_DUCKDB_PATH": str(tmp_path / "mbp.duckdb"),
        "MBP_RAW": "loaded",
    }
    with environment(settings):
        yield request.param


def test_increments_equal_a_full_refresh(target: str, project_root: Path, tmp_path: Path) -> None:
    draw = random.Random(7)  # noqa: S311
    with connect(project_root, target) as warehouse:
        initialise(project_root, warehouse)

    def deliver(table: str, arrivals: list[datetime]) -> None:
        with connect(project_root, target) as warehouse:
            values = ", ".join(f"('{moment}')" for moment in arrivals)
            warehouse.execute(f"insert into raw_mbp.{table} (_loaded_at) values {values}")

    def run(*options: str) -> list[tuple[Any, ...]]:
        outcome = run_dbt(
            project_root,
            ["run", *SELECTION, *options],
            target=target,
            artifacts=tmp_path / "artifacts",
            quiet=True,
        )
        assert outcome.success, outcome.problem or [one.message for one in outcome.result]
        with connect(project_root, target, read_only=True) as warehouse:
            return warehouse.query(
                "select * from intermediate.int_mbp__daily_arrivals order by arrivals_id"
            )[1]

    for batch in range(6):
        opened = START + timedelta(hours=7 * batch)
        # Rows within the lookback become visible after newer ones; a table may be silent for days.
        for table in ("quotes", "markets") if batch not in (2, 3) else ("quotes",):
            seconds = [draw.randrange(-1800, 6 * 3600) for _ in range(40)]
            deliver(table, [opened + timedelta(seconds=second) for second in seconds])
        incremental = run()
    deliver("resolutions", [START + timedelta(hours=41)])
    incremental = run()

    assert incremental == run("--full-refresh")
    assert len({row[2] for row in incremental}) == 3
    assert {row[1] for row in incremental} == {"mbp_quotes", "mbp_markets", "mbp_resolutions"}
