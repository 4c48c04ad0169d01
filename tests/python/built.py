"""The sample, built once on both engines for a whole run of the tests, and copies of it that may be spoiled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lab.postgres_server import PostgresServer
from mbp.runs.dbt_process import DbtOutcome, environment, run_dbt
from mbp.warehouse import Warehouse, connect

DATABASE = "built"
ARTIFACTS, OUTCOMES, DATA = "artifacts", "outcomes.json", "data"


@dataclass(frozen=True)
class Ran:
    """What came of one node."""

    node: str
    status: str
    message: str | None


@dataclass(frozen=True)
class Built:
    """The sample, built and tested on both engines; `settings` are each engine's variables."""

    root: Path
    settings: dict[str, dict[str, str]]
    outcomes: dict[str, list[Ran]]

    def artifacts(self, target: str) -> Path:
        """The folder of dbt's artifacts of the build on that engine."""
        return Path(self.settings["duckdb"]["MBP_DUCKDB_PATH"]).parent / target / "target"

    @contextmanager
    def open(self, target: str) -> Iterator[Warehouse]:
        with (
            environment(self.settings[target]),
            connect(self.root, target, read_only=True) as warehouse,
        ):
            yield warehouse


def build_once(root: Path, server: PostgresServer, shared: Path, own: Path) -> Built:
    """The sample on both engines, for a process of the tests; the first that asks for an engine builds it.

    Args:
        shared: a folder that all processes of the run see.
        own: a folder of this process.
    """
    settings = {
        "duckdb": {"MBP_DUCKDB_PATH": str(own / "mbp.duckdb"), "MBP_RAW": "sample"},
        "postgres": {**server.environment(DATABASE), "MBP_RAW": "sample"},
    }
    outcomes: dict[str, list[Ran]] = {}
    # What another process is building comes last: meanwhile this one builds the other.
    for seconds in (0, -1):
        for engine in [one for one in settings if one not in outcomes]:
            with suppress(Timeout), FileLock(shared / f"{engine}.lock", timeout=seconds):
                kept = shared / engine
                if not kept.is_dir():
                    _build(root, engine, settings[engine], server, own, kept)
                elif engine == "duckdb":
                    shutil.copyfile(kept / DATA, own / "mbp.duckdb")
                else:
                    server.restore(DATABASE, kept / DATA)
                shutil.copytree(kept / ARTIFACTS, own / engine, dirs_exist_ok=True)
                told = json.loads((kept / OUTCOMES).read_text(encoding="utf-8"))
                outcomes[engine] = [Ran(*one) for one in told]
    return Built(root, settings, outcomes)


def _build(
    root: Path,
    engine: str,
    changes: Mapping[str, str],
    server: PostgresServer,
    own: Path,
    kept: Path,
) -> None:
    """Builds and tests on one engine, and leaves in `kept` what the other processes need."""
    if engine == "postgres":
        server.create_database(DATABASE)
    outcome = run_dbt(
        root, ["build"], target=engine, artifacts=own / engine, changes=changes, quiet=True
    )
    assert outcome.problem is None, outcome.problem
    ran = [(one.node.unique_id, str(one.status), one.message) for one in outcome.result]
    part = kept.with_suffix(".part")
    part.mkdir()
    shutil.copytree(own / engine, part / ARTIFACTS)
    (part / OUTCOMES).write_text(json.dumps(ran), encoding="utf-8")
    if engine == "duckdb":
        shutil.copyfile(own / "mbp.duckdb", part / DATA)
    else:
        server.dump(DATABASE, part / DATA)
    # Whole or not at all: this process may be killed.
    part.rename(kept)


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


def judged(outcome: DbtOutcome) -> list[Any]:
    """The results of its tests; the end of a run is a result of dbt too."""
    assert outcome.problem is None, outcome.problem
    return [one for one in outcome.result if one.node.resource_type == "test"]


def _end_sessions(server: PostgresServer) -> None:
    """The engines keep connections in pools, and PostgreSQL copies no database that is in use."""
    connection = server.connect()
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [DATABASE]
        )
    connection.close()
