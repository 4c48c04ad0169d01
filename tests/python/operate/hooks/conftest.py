"""Copies of the built sample that may be watched and spoiled, on both engines."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from lab.postgres_server import PostgresServer
from mbp.operate.hooks.alert_rules import FOLDER
from mbp.operate.hooks.watch import HookEvaluationRecord, watch_once
from mbp.runs.dbt_process import demand, environment, run_dbt
from mbp.warehouse import Warehouse, connect
from tests.python.built import Built, copied

INSTALL = "apt-get install prometheus prometheus-alertmanager"


def tool(name: str) -> str:
    """The path of a tool; MBP_DEMAND_ALERT_TOOLS makes its absence a failure, as in its CI job."""
    found = shutil.which(name)
    if found is None and os.environ.get("MBP_DEMAND_ALERT_TOOLS"):
        pytest.fail(f"{name} is not installed: {INSTALL}")
    if found is None:
        pytest.skip(f"{name} is not installed, so nothing was judged by it: {INSTALL}")
    return found


@dataclass(frozen=True)
class Site:
    """A copy of the built sample with a state folder and artifacts of its own."""

    root: Path
    target: str
    state: Path
    artifacts: Path

    def watch(self, *, dry_run: bool = False) -> HookEvaluationRecord:
        return watch_once(self.root, self.target, dry_run=dry_run)

    @contextmanager
    def open(self) -> Iterator[Warehouse]:
        with connect(self.root, self.target) as warehouse:
            yield warehouse

    def execute(self, *statements: str) -> None:
        with self.open() as warehouse:
            for statement in statements:
                warehouse.execute(statement)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with self.open() as warehouse:
            return warehouse.query(sql)[1]

    def run(self, *arguments: str, ok: bool = True) -> object:
        outcome = run_dbt(
            self.root, arguments, target=self.target, artifacts=self.artifacts, quiet=True
        )
        if ok:
            demand(outcome)
        return outcome.result

    def runs_are_green(self) -> None:
        """As if the artifacts of all runs had been collected, and were good."""
        for kpi, value in (
            ("schema_drift", 0),
            ("data_contract_break", 0),
            ("dbt_tests", 0),
            ("hook_coverage", 100),
        ):
            self.collected(kpi, value)

    def collected(self, kpi: str, value: float | None) -> None:
        told = "null" if value is None else str(value)
        self.execute(
            f"delete from reliability.kpi_runs where kpi_id = '{kpi}'",
            "insert into reliability.kpi_runs (run_id, kpi_id, value, samples, detail, measured_at)"
            f" select '{kpi}/test', '{kpi}', {told}, {0 if value is None else 100}, '', now_at"
            " from reliability.kpi_clock",
        )


@contextmanager
def a_site(built: Built, server: PostgresServer, target: str, folder: Path) -> Iterator[Site]:
    state, artifacts = folder / "state", folder / "artifacts"
    # A copy of the artifacts: what is collected must be of the run that built the copy.
    original = Path(built.settings["duckdb"]["MBP_DUCKDB_PATH"]).parent / target
    shutil.copytree(original, artifacts)
    with copied(built, server, target, folder) as settings:
        more = {
            "MBP_STATE_DIR": str(state),
            "DBT_TARGET_PATH": str(artifacts / "target"),
            "DBT_TARGET": target,
            "MBP_HOOK_URL": "",
            "MBP_HOOK_SECRET": "",
            "MBP_ALERTMANAGER_URL": "",
        }
        with environment({**settings, **more}):
            yield Site(built.root, target, state, artifacts)


@pytest.fixture(params=["duckdb", "postgres"])
def site(
    request: pytest.FixtureRequest, built: Built, postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[Site]:
    with a_site(built, postgres_server, request.param, tmp_path) as found:
        yield found


@pytest.fixture
def duckdb_site(built: Built, postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Site]:
    with a_site(built, postgres_server, "duckdb", tmp_path) as found:
        yield found


@pytest.fixture
def postgres_site(built: Built, postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Site]:
    with a_site(built, postgres_server, "postgres", tmp_path) as found:
        yield found


@pytest.fixture
def alertmanager(project_root: Path, tmp_path: Path) -> Iterator[str]:
    """A real Alertmanager with the routing of the project."""
    program = tool("prometheus-alertmanager")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            program,
            f"--config.file={project_root / FOLDER / 'alertmanager/alertmanager.yml'}",
            f"--storage.path={tmp_path / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if requests.get(f"{url}/-/ready", timeout=1).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(60)
