"""The law of `mbp_quotes` on PostgreSQL: the cases that a naive watermark or merge gets wrong, once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from test_incremental import RELATIONS, SELECTION, START, Change

from lab.postgres_server import PostgresServer
from mbp.ingest.initialise import initialise
from mbp.runs.dbt_process import run_dbt
from mbp.warehouse import connect


@pytest.mark.postgres
@pytest.mark.slow
def test_increments_equal_a_full_refresh(
    project_root: Path,
    postgres_server: PostgresServer,
    postgres_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = {**postgres_server.environment(postgres_database), "MBP_RAW": "loaded"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    created = Change(1, 0, 0, 10, 50, "c")
    other = Change(2, 1, 0, 30, 40, "c")
    late = Change(3, 0, 0, 15, 55, "u")
    revived = Change(4, 1, 0, 30, 45, "u")
    corrected = Change(5, 0, 0, 20, 60, "u")
    deleted = Change(6, 1, 0, 30, 40, "d")
    elsewhere = Change(7, 2, 1, 40, 20, "c")
    moved = Change(8, 0, 1, 20, 60, "u")
    batches = [
        [corrected, other],
        [elsewhere],
        [deleted, created],
        [late, revived, corrected],
        [moved],
    ]

    def run(*options: str) -> dict[str, list[Any]]:
        outcome = run_dbt(
            project_root,
            ["run", *SELECTION, "mbp_quotes", *options],
            target="postgres",
            artifacts=tmp_path,
            changes=settings,
            quiet=True,
        )
        assert outcome.success, outcome.problem or [one.message for one in outcome.result]
        return {one: sorted(warehouse.query(f"select * from {one}")[1]) for one in RELATIONS}

    with connect(project_root, "postgres") as warehouse:
        initialise(project_root, warehouse)
        for number, batch in enumerate(batches):
            arrived = START + timedelta(hours=3 * number + 2)
            for change in batch:
                row = change.row(arrived)
                marks = ", ".join(["%s"] * len(row))
                warehouse.execute(f"insert into raw_mbp.quotes values ({marks})", row)
            incremental = run()
        assert incremental == run("--full-refresh")
    assert [(row[0], row[1], str(row[3])) for row in incremental["marts.mbp_quotes"]] == [
        ("q0", "m1", "0.60000000"),
        ("q2", "m1", "0.20000000"),
    ]
