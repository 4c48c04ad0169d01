"""Measures every part, or those that are named, and writes the record and its table.

Usage: make bench, or BENCH_ROWS=1000000,10000000 python -m lab.bench [PART ...]. Needs about 4 GB of disk for
ten million quotes. Engine time is what dbt reports per node; dbt's own start-up is reported separately.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.bench import change_capture, contracts, kpi_windows, other_tools, quick
from lab.bench.bench_warehouse import BIN, NEW_SHARE, deliver, run, simulate, thresholds
from lab.bench.figures import DOCUMENT, RECORD, Figure, record, show
from lab.bench.process import run_measured
from mbp.core.errors import EXIT_COULD_NOT_RUN, MbpError
from mbp.core.paths import project_root
from mbp.ingest.initialise import initialise
from mbp.runs.dbt_process import environment
from mbp.warehouse import Warehouse, connect

INCREMENTAL_GOAL = 0.05
MODELS = ("model.mbp.int_mbp__quotes_latest", "model.mbp.mbp_quotes")
SLICED_FAMILIES = {
    "unique",
    "not_null",
    "accepted_values",
    "foreign_key",
    "range",
    "pattern",
    "length",
}
SLICED_RULES = {"closed_market_no_trades", "quote_after_close", "liquidity_floor"}


@dataclass(frozen=True)
class Build:
    """One `dbt build`: seconds of the engine per group of nodes, and of the whole process."""

    models: float
    row_tests: float
    twap: float
    other: float
    process: float
    failures: tuple[str, ...]

    @property
    def engine(self) -> float:
        return self.models + self.row_tests + self.twap + self.other


def main(arguments: Sequence[str]) -> int:
    """Measures the parts that are named, or all; what they gave is the record."""
    root = project_root(Path(__file__).parent)
    unknown = [name for name in arguments if name not in PARTS]
    if unknown:
        raise MbpError(f"unknown part {unknown[0]!r}", fix=f"use {', '.join(PARTS)}")
    load = os.getloadavg()[0]
    figures: list[Figure] = []
    for name in arguments or PARTS:
        print(f"\n== {name}", flush=True)
        figures += show(PARTS[name](root))
    record(root, figures, load)
    print(
        f"\nwritten to {RECORD} and {DOCUMENT}; goals missed: {sum(one.missed for one in figures)}"
    )
    return 0


def bench_job(root: Path) -> list[Figure]:
    """The main job at each size of BENCH_ROWS."""
    sizes = [int(size) for size in os.environ.get("BENCH_ROWS", "1000000,10000000").split(",")]
    figures: list[Figure] = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="mbp-bench-") as scratch:
            figures += bench_size(root, Path(scratch), size)
    return figures


def bench_contracts(root: Path) -> list[Figure]:
    """Judging contract changes: the project's contracts, and a thousand generated ones."""
    started = time.perf_counter()
    run([str(BIN / "mbp"), "contracts", "check"], root, {})
    check = time.perf_counter() - started
    return [
        Figure("mbp contracts check", "the project", check, "s", goal=1.0),
        Figure(
            "contract changes", "1,000 pairs of 50 columns", contracts.seconds(1000), "s", goal=30.0
        ),
    ]


def bench_size(root: Path, scratch: Path, size: int) -> list[Figure]:
    """One size: simulate, full refresh, add the newest share, incremental build."""
    simulate(root, scratch / "history", size)
    changes = {
        "MBP_RAW": "loaded",
        "MBP_NOW": "end_of_data",
        "MBP_DUCKDB_PATH": str(scratch / "mbp.duckdb"),
        "DBT_TARGET_PATH": str(scratch / "target"),
        "DBT_LOG_PATH": str(scratch / "logs"),
    }
    threshold, rows = prepare(root, scratch, changes)
    read_seconds, copy_seconds = peers(root, changes)
    full = build(root, scratch, changes, ["--full-refresh"])
    deliver_the_rest(root, scratch, changes, threshold)
    added = build(root, scratch, changes, ["--selector", "daily"])
    demand_slice(root, changes, rows)
    idle = build(root, scratch, changes, ["--selector", "daily"])
    for name, done in (("full", full), ("daily", added), ("idle", idle)):
        for failure in done.failures:
            print(f"  {name} build not green: {failure}")
    on = f"duckdb, {size:,} quotes"
    copied = ("copy of the columns", copy_seconds)
    quotes_full = full.models + full.row_tests
    return [
        Figure("full build, engine time", on, full.engine, "s", *copied),
        Figure(
            "of it `mbp_quotes` and its row rules", on, quotes_full, "s", "pure read", read_seconds
        ),
        Figure("of it the average price", on, full.twap, "s", *copied),
        Figure("start of dbt and its overhead, full build", on, full.process - full.engine, "s"),
        Figure("daily run of 1 %, engine time", on, added.engine, "s", "full build", full.engine),
        *(
            Figure(
                f"{what}: `mbp_quotes` and its row rules",
                *(on, done.models + done.row_tests, "s", "the same in the full build", quotes_full),
                goal=INCREMENTAL_GOAL * quotes_full if done is added else None,
            )
            for what, done in (("daily run of 1 %", added), ("daily run of nothing", idle))
        ),
    ]


def prepare(root: Path, scratch: Path, changes: Mapping[str, str]) -> tuple[str, int]:
    """Raw tables from the history, the newest arrivals of quotes held back; from when, and the quotes there are."""
    with environment(changes), connect(root, "duckdb") as warehouse:
        initialise(root, warehouse)
        [threshold] = thresholds(scratch / "history", 1)
        deliver(warehouse, scratch / "history", scratch, None, threshold)
        return threshold, quotes(warehouse)


def deliver_the_rest(root: Path, scratch: Path, changes: Mapping[str, str], threshold: str) -> None:
    """Adds the rows held back."""
    with environment(changes), connect(root, "duckdb") as warehouse:
        deliver(warehouse, scratch / "history", scratch, threshold, None)


def quotes(warehouse: Warehouse) -> int:
    return int(warehouse.query("select count(*) from raw_mbp.quotes")[1][0][0])


def demand_slice(root: Path, changes: Mapping[str, str], rows: int) -> None:
    """A daily run that had no verification to start from checked all rows, and measures something else.

    Raises:
        MbpError: it did.
    """
    with environment(changes), connect(root, "duckdb", read_only=True) as warehouse:
        ((looked,),) = warehouse.query("select count(*) from verification.mbp_quotes_to_check")[1]
    if looked > rows * 2 * NEW_SHARE:
        raise MbpError(
            f"the daily run checked {looked:,} of {rows:,} rows, not the new ones",
            fix="fix what it says, then measure again",
        )


def peers(root: Path, changes: Mapping[str, str]) -> tuple[float, float]:
    """What the engine needs at least: reading the columns once, and copying them once."""
    columns = "quote_id, market_id, quoted_at, price, volume, depth_2pct, twap_5m"
    with environment(changes), connect(root, "duckdb") as warehouse:
        started = time.perf_counter()
        warehouse.query(
            f"select {', '.join(f'max({c})' for c in columns.split(', '))} from raw_mbp.quotes"
        )
        read = time.perf_counter() - started
        started = time.perf_counter()
        warehouse.execute(f"create table copied as select {columns} from raw_mbp.quotes")
        copied = time.perf_counter() - started
        warehouse.execute("drop table copied")
    return read, copied


def build(root: Path, scratch: Path, changes: Mapping[str, str], options: Sequence[str]) -> Build:
    """Runs dbt build and sums what it reports per node."""
    (scratch / "target" / "run_results.json").unlink(missing_ok=True)
    command = [str(BIN / "dbt"), "build", "--quiet", *options]
    finished = run_measured(command, root, {**os.environ, **changes})
    run_results = scratch / "target" / "run_results.json"
    if not run_results.exists():
        raise MbpError(f"dbt build did not run: {finished.talk[-800:]}", fix="fix what it says")
    results = json.loads(run_results.read_text())["results"]
    nodes = json.loads((scratch / "target" / "manifest.json").read_text())["nodes"]
    spent = {"models": 0.0, "row_tests": 0.0, "twap": 0.0, "other": 0.0}
    failures = []
    for result in results:
        node = nodes.get(result["unique_id"])
        spent[group_of(result["unique_id"], node)] += result["execution_time"]
        if result["status"] in ("error", "fail", "skipped"):
            failures.append(f"{result['unique_id'].split('.')[2]}: {result['status']}")
    return Build(**spent, process=finished.seconds, failures=tuple(failures))


def group_of(unique_id: str, node: dict[str, Any] | None) -> str:
    if unique_id in MODELS:
        return "models"
    if unique_id == "model.mbp.int_mbp__quotes_twap":
        return "twap"
    meta = (node or {}).get("config", {}).get("meta", {})
    sliced = meta.get("family") in SLICED_FAMILIES or meta.get("rule_id") in SLICED_RULES
    return "row_tests" if meta.get("dataset") == "mbp_quotes" and sliced else "other"


def bench_sample(root: Path) -> list[Figure]:
    """`dbt build` of the committed sample, as a person runs it."""
    with tempfile.TemporaryDirectory(prefix="mbp-bench-") as scratch:
        changes = {
            "MBP_DUCKDB_PATH": f"{scratch}/mbp.duckdb",
            "DBT_TARGET_PATH": f"{scratch}/target",
            "DBT_LOG_PATH": f"{scratch}/logs",
        }
        started = time.perf_counter()
        run([str(BIN / "dbt"), "build", "--quiet"], root, changes)
        seconds = time.perf_counter() - started
    return [Figure("dbt build, a whole process", "the sample", seconds, "s", goal=25.0)]


PARTS: Mapping[str, Callable[[Path], list[Figure]]] = {
    "quick": quick.measure,
    "job": bench_job,
    "sample": bench_sample,
    "contracts": bench_contracts,
    "kpis": kpi_windows.measure,
    "capture": change_capture.measure,
    "tools": other_tools.measure,
}

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except MbpError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(EXIT_COULD_NOT_RUN)
