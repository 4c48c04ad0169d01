"""The sample built on Spark once, beside the same on DuckDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mbp.runs.dbt_process import DbtOutcome, environment, run_dbt
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.profile import read_target
from tests.python.spark import cluster


@dataclass(frozen=True)
class Both:
    """One project on two engines."""

    root: Path
    folder: Path
    session: Any
    outcomes: dict[str, DbtOutcome]

    @property
    def duckdb_file(self) -> Path:
        return self.folder / "mbp.duckdb"

    def duckdb(self, file: Path | None = None) -> Warehouse:
        with environment({"MBP_DUCKDB_PATH": str(file or self.duckdb_file)}):
            return connect(self.root, "duckdb", read_only=file is None)


@pytest.fixture(scope="session")
def both(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    if reason := cluster.unavailable():
        pytest.skip(f"Spark not tested: {reason} (make test-spark)")
    folder = tmp_path_factory.mktemp("spark")
    duckdb = run_dbt(
        project_root,
        ["build"],
        target="duckdb",
        artifacts=folder / "duckdb",
        changes={"MBP_DUCKDB_PATH": str(folder / "mbp.duckdb"), "MBP_RAW": "sample"},
        quiet=True,
    )
    with environment(cluster.settings(folder)):
        target = read_target(project_root, "spark")[1]
    with cluster.started(folder, target) as session:
        spark = run_dbt(
            project_root, ["build"], target="spark", artifacts=folder / "spark", quiet=True
        )
        yield Both(project_root, folder, session, {"duckdb": duckdb, "spark": spark})
