"""The sample, built once on both engines, and copies of it that may be spoiled."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mbp.building.dbt_process import environment, run_dbt
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.server import PostgresServer

DATABASE = "built"


@dataclass(frozen=True)
class Built:
    """The sample, built and tested on both engines; `settings` are each engine's variables."""

    root: Path
    settings: dict[str, dict[str, str]]
    outcomes: dict[str, Any]

    @contextmanager
    def open(self, target: str) -> Iterator[Warehouse]:
        with (
            environment(self.settings[target]),
            connect(self.root, target, read_only=True) as warehouse,
        ):
            yield warehouse


def build(root: Path, server: PostgresServer, folder: Path) -> Built:
    """`dbt build` of the sample on both engines."""
    server.create_database(DATABASE)
    settings = {
        "duckdb": {"MBP_DUCKDB_PATH": str(folder / "mbp.duckdb"), "MBP_RAW": "sample"},
        "postgres": {**server.environment(DATABASE), "MBP_RAW": "sample"},
    }
    outcomes = {
        target: run_dbt(
            root,
            ["build"],
            target=target,
            artifacts=folder / target,
            changes=changes,
            quiet=True,
        )
        for target, changes in settings.items()
    }
    return Built(root, settings, outcomes)


@contextmanager
def copied(
    built: Built, server: PostgresServer, target: str, folder: Path
) -> Iterator[Mapping[str, str]]:
    """Variables of a copy of what was built."""
    if target == "duckdb":
        original = Path(built.settings["duckdb"]["MBP_DUCKDB_PATH"])
        # Views name the catalog, which DuckDB calls after the file.
        file = folder / "copy" / original.name
        file.parent.mkdir()
        shutil.copyfile(original, file)
        yield {**built.settings["duckdb"], "MBP_DUCKDB_PATH": str(file)}
        return
    _end_sessions(server)
    server.create_database("copy_of_built", template=DATABASE)
    try:
        yield {**built.settings["postgres"], **server.environment("copy_of_built")}
    finally:
        server.drop_database("copy_of_built")


def _end_sessions(server: PostgresServer) -> None:
    """The engines keep connections in pools, and PostgreSQL copies no database that is in use."""
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [DATABASE]
        )
    connection.close()
