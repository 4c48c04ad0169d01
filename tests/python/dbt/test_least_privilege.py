"""Production as it is meant: dbt runs as a user with the transformer's role, analysts with the reader's."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest

from lab.postgres_server import PostgresServer
from lab.simulate.schema import CONTRACTS
from mbp.core.masking import mask
from mbp.ingest.initialise import initialise
from mbp.operate.degrade.reader_snapshot import take
from mbp.operate.degrade.switch import degrade
from mbp.runs.dbt_process import run_dbt
from mbp.warehouse import connect

DATASETS = tuple(CONTRACTS)


@pytest.mark.postgres
@pytest.mark.slow
def test_the_transformer_builds_and_the_reader_reads(
    project_root: Path,
    postgres_server: PostgresServer,
    postgres_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = postgres_server.environment(postgres_database)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with connect(project_root, "postgres") as warehouse:
        initialise(project_root, warehouse)
        for user, role in (("dbt_user", "mbp_transformer"), ("analyst", "mbp_reader")):
            warehouse.execute(f"drop role if exists {user}")
            warehouse.execute(f"create role {user} login inherit password 'secret' in role {role}")
    login = {
        "MBP_PG_USER": "dbt_user",
        "MBP_PG_PASSWORD": "secret",
        "MBP_PG_ROLE": "mbp_transformer",
        "MBP_RAW": "sample",
    }
    for _ in range(2):  # the second run replaces what the first one made
        outcome = run_dbt(
            project_root,
            ["build"],
            target="postgres",
            artifacts=tmp_path,
            changes={**settings, **login},
            quiet=True,
        )
        assert outcome.success, outcome.problem or [
            (result.node.name, result.message)
            for result in outcome.result
            if str(result.status) not in ("success", "pass", "no-op")
        ]
    # Live and degraded, by the role that builds: the reader sees the views and never what is behind them.
    with monkeypatch.context() as transformer:
        for name, value in {**login, "DBT_TARGET_PATH": str(tmp_path / "target")}.items():
            transformer.setenv(name, value)
        taken = take(project_root, "postgres")
        with connect(project_root, "postgres") as warehouse:
            degrade(warehouse, reason="test")
    assert {one.dataset for one in taken} == set(DATASETS)
    monkeypatch.setenv("MBP_PG_USER", "analyst")
    monkeypatch.setenv("MBP_PG_PASSWORD", "secret")
    with connect(project_root, "postgres") as analyst:
        for dataset in DATASETS:
            assert analyst.query(f"select count(*) from published.{dataset}")[1][0][0] > 0
        assert analyst.query("select count(*) from reliability.kpi_windows")[1][0][0] > 0
        assert analyst.query("select count(*) from semantic.sem_market_hours")[1][0][0] > 0
        masked = analyst.query(
            "select abuse_event_id, user_id_hash, details from published.mbp_abuse_events"
        )[1]
        mark = analyst.query("select distinct mode, as_of is null from published.data_as_of")[1]
        assert mark == [("snapshot", False)]
        for relation in (
            *(f"marts.{dataset}" for dataset in DATASETS),
            "staging.stg_mbp__quotes",
            "intermediate.int_mbp__quotes_latest",
            "sample_mbp.quotes",
            "snapshot.mbp_quotes__1",
            "snapshot.switches",
            "snapshot.masks",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                analyst.query(f"select count(*) from {relation}")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            analyst.execute("create or replace view published.mbp_abuse_events as select 1 as one")
    for name, value in login.items():
        monkeypatch.setenv(name, value)
    with connect(project_root, "postgres") as builder:
        full = builder.query(
            "select abuse_event_id, user_id_hash, details from marts.mbp_abuse_events"
        )[1]
    assert sorted(masked) == sorted((key, mask(user), mask(details)) for key, user, details in full)
    assert {len(user) for _, user, _ in full} == {64}
