"""The guard against lists: every command knows two datasets that nothing but their contracts and models names.

The whole way on DuckDB, with the simulator and the proof of the copy itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.market_server import create
from lab.postgres_server import PostgresServer
from mbp.contracts import load_contracts
from mbp.ingest.cdc.change_shape import by_name
from mbp.ingest.cdc.market_source import MarketSource
from mbp.ingest.raw_tables import raw_tables
from mbp.runs.dbt_process import environment
from mbp.warehouse import connect
from tests.python.datasets.more_datasets import HOURS, NOTES, scratch

BOTH = {NOTES, HOURS}


class Commands:
    """The program in the copy; `settings` are its variables."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.settings = {"MBP_DUCKDB_PATH": str(root / "mbp.duckdb"), "MBP_PROJECT_DIR": str(root)}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        program = "import sys; sys.argv[0] = 'mbp'; from mbp.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=self.root,
            # Before anything that is installed: the copy's own simulator reads the copy's contracts.
            env={**os.environ, "PYTHONPATH": str(self.root), **self.settings, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, *arguments: str, **more: str) -> str:
        outcome = self.run(*arguments, **more)
        assert outcome.returncode == 0, outcome.stdout[-3000:] + outcome.stderr[-3000:]
        return outcome.stdout

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with environment(self.settings), connect(self.root, "duckdb", read_only=True) as warehouse:
            return warehouse.query(sql)[1]


@pytest.fixture(scope="module")
def copy(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    commands = Commands(scratch(project_root, tmp_path_factory.mktemp("any") / "project"))
    commands.done("contracts", "render")
    commands.done("build")
    return commands


@pytest.fixture
def source(copy: Commands) -> Iterator[MarketSource]:
    with PostgresServer(
        {"wal_level": "logical", "max_wal_senders": "4", "max_replication_slots": "4"}
    ) as server:
        columns = by_name(raw_tables(copy.root))
        made = create(server, "market", columns)
        connection = server.connect("market")
        with connection.cursor() as cursor:
            names = ", ".join(name for name, _ in columns["notes"])
            cursor.execute(
                f"insert into notes ({names}) values ('n-1', 'm-1', 'q-1', now(), 'fair', 3)"
            )
        connection.close()
        yield made


def test_the_build_serves_both_with_the_time_of_their_data(copy: Commands) -> None:
    served = copy.rows("select dataset, as_of is not null from published.data_as_of")
    assert {dataset for dataset, known in served if known} >= BOTH
    ((letters,),) = copy.rows(f"select min(body_letters) from published.{NOTES}")
    assert letters == 4
    logs = {
        dataset for (dataset,) in copy.rows("select distinct dataset from reliability.kpi_cdc_lag")
    }
    days = copy.rows("select distinct dataset from intermediate.int_mbp__daily_arrivals")
    assert NOTES in logs & {dataset for (dataset,) in days}
    assert HOURS not in logs


def test_every_rule_of_both_is_proved(copy: Commands) -> None:
    rules = [
        rule.id
        for contract in load_contracts(copy.root)
        for rule in contract.rules
        if contract.dataset in BOTH
    ]
    chosen = [word for rule in rules for word in ("--fault", rule)]
    report = json.loads(copy.done("quality", "prove", *chosen, "--format", "json"))
    assert report["without_fault"] == report["untested"] == []
    assert {one["fault"] for one in report["outcomes"]} >= set(rules)


def test_drift_compares_both(copy: Commands) -> None:
    found = copy.run("registry", "drift").stdout
    for dataset in BOTH:
        assert f"{dataset}: error schema_drift: registry: not published" in found
    # Model and table are as their contracts have them.
    assert "2 errors" in found


def test_capture_reads_the_new_table(copy: Commands, source: MarketSource, tmp_path: Path) -> None:
    settings = {
        "MBP_DUCKDB_PATH": str(tmp_path / "live.duckdb"),
        "MBP_SOURCE_HOST": source.host,
        "MBP_SOURCE_PORT": str(source.port),
        "MBP_SOURCE_USER": source.user,
        "MBP_SOURCE_PASSWORD": str(source.password),
        "MBP_SOURCE_DATABASE": source.database,
    }
    copy.done("db", "init", **settings)
    copy.done("cdc", "run", "--once", **settings)
    with environment(settings), connect(copy.root, "duckdb", read_only=True) as warehouse:
        _, rows = warehouse.query("select note_id, body, __op from raw_mbp.notes")
    assert rows == [("n-1", "fair", "r")]


def test_the_gate_judges_both(copy: Commands) -> None:
    report = json.loads(copy.run("gate", "M2", "--format", "json").stdout)
    assert report
    said = json.dumps(report)
    logged = [one.dataset for one in load_contracts(copy.root) if one.change_log]
    assert f"{len(logged)} datasets within" in said or f"{NOTES}: " in said
    assert f"{HOURS}: no value" not in said
