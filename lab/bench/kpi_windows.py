"""Measures the KPI windows: a day of telemetry at 120 decisions per second, then one more window, then one evaluation.

Usage: python -m lab.bench kpis (a part of make bench); BENCH_RPS changes the rate. Engine time is what dbt reports
per node. The peer is the plain percentile of every window, by hand, over the same spans.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from lab.bench.figures import Figure
from mbp.core.errors import MbpError

BIN = Path(sys.executable).parent
FULL_GOAL_SECONDS, WINDOW_GOAL_SECONDS, WATCH_GOAL_SECONDS = 60, 2, 2
SHORT_BEFORE_END = "2026-01-05 23:54:59"
END = "2026-01-05 23:59:59"
PEER = """
select count(*) from (
    select end_time_unix_nano // 300000000000 as number,
        percentile_cont(0.95) within group (order by end_time_unix_nano - start_time_unix_nano)
    from raw_ops.otel_spans where name = 'decision.core' group by 1
)
"""


def measure(root: Path) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="mbp-bench-") as folder:
        return windows(root, Path(folder), os.environ.get("BENCH_RPS", "120"))


def windows(root: Path, scratch: Path, rate: str) -> list[Figure]:
    history, warehouse = scratch / "history", scratch / "mbp.duckdb"
    size = ["--days", "1", "--rps", rate, "--quotes", "20000"]
    command = [str(BIN / "mbp"), "simulate", *size, "--format", "parquet", "--output", str(history)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for schema in ("raw_mbp", "raw_ops"):
            connection.execute(f"create schema {schema}")
        for table in sorted(history.iterdir()):
            if table.is_dir():
                connection.execute(
                    f"create table raw_{table.name} as select * from read_parquet('{table}/*.parquet')"
                    f" where _loaded_at <= timestamptz '{SHORT_BEFORE_END}+00' order by _loaded_at"
                )
        row = connection.execute("select count(*) from raw_ops.otel_spans").fetchone()
        spans = int(row[0]) if row else 0
        started = time.perf_counter()
        connection.execute(PEER).fetchall()
        peer = time.perf_counter() - started
    full = run(root, scratch, warehouse, SHORT_BEFORE_END, ["--full-refresh"])
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for table in sorted(history.iterdir()):
            if table.is_dir():
                connection.execute(
                    f"insert into raw_{table.name} select * from read_parquet('{table}/*.parquet')"
                    f" where _loaded_at > timestamptz '{SHORT_BEFORE_END}+00' and _loaded_at <="
                    f" timestamptz '{END}+00' order by _loaded_at"
                )
    window = run(root, scratch, warehouse, END, [])
    started = time.perf_counter()
    environment = settings(scratch, warehouse, END)
    looked = subprocess.run(
        [str(BIN / "mbp"), "watch", "--once"],
        cwd=root,
        env=environment,
        capture_output=True,
        check=False,
    )
    watch = time.perf_counter() - started
    if looked.returncode not in (0, 1):
        raise MbpError(f"mbp watch failed: {looked.stderr.decode()}", fix="fix what it says")
    on = f"24 h at {rate} decisions/s, {spans:,} spans"
    percentile = ("the plain percentile", peer)
    return [
        Figure(
            "KPI windows from nothing, engine time",
            on,
            full,
            "s",
            *percentile,
            goal=FULL_GOAL_SECONDS,
        ),
        Figure(
            "one more window, engine time", on, window, "s", *percentile, goal=WINDOW_GOAL_SECONDS
        ),
        Figure("mbp watch --once, a process", on, watch, "s", goal=WATCH_GOAL_SECONDS),
    ]


def settings(scratch: Path, warehouse: Path, now: str) -> dict[str, str]:
    return {
        **os.environ,
        "MBP_RAW": "loaded",
        "MBP_NOW": now,
        "MBP_DUCKDB_PATH": str(warehouse),
        "MBP_STATE_DIR": str(scratch / "state"),
        "DBT_TARGET_PATH": str(scratch / "target"),
        "DBT_LOG_PATH": str(scratch / "logs"),
    }


def run(root: Path, scratch: Path, warehouse: Path, now: str, options: list[str]) -> float:
    """Runs what is measured; the engine time of the KPI models (what they read is built before them)."""
    command = [str(BIN / "dbt"), "build", "--quiet", "--select", "+models/marts/reliability"]
    command += ["--exclude-resource-type=test", "--exclude-resource-type=unit_test", *options]
    done = subprocess.run(
        command,
        cwd=root,
        env=settings(scratch, warehouse, now),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MbpError(
            f"dbt failed: {done.stdout[-4000:]}{done.stderr[-2000:]}", fix="fix what it says"
        )
    results = json.loads((scratch / "target" / "run_results.json").read_text())["results"]
    spent = [
        float(result["execution_time"])
        for result in results
        if result["unique_id"].split(".")[2].startswith("kpi_")
    ]
    return sum(spent)
