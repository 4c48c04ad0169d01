"""Measures the main job at scale on DuckDB: ratios within one run, rows per second, growth with size.

Usage: make bench, or BENCH_ROWS=1000000,10000000 python -m lab.bench. Needs about 4 GB of disk for
ten million quotes. Engine time is what dbt reports per node; dbt's own start-up is reported separately.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.bench.bench_warehouse import BIN, NEW_SHARE, deliver, run, simulate, thresholds
from lab.bench.figures import record
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


def main() -> int:
    root = project_root(Path(__file__).parent)
    sizes = [int(size) for size in os.environ.get("BENCH_ROWS", "1000000,10000000").split(",")]
    figures = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="mbp-bench-") as scratch:
            figures.append(bench_size(root, Path(scratch), size))
    record(root, figures)
    missed = sum(
        figure["added"] > INCREMENTAL_GOAL * (figure["models"] + figure["row_rules"])
        for figure in figures
    )
    for small, large in itertools.pairwise(figures):
        exponent = math.log(large["full"] / small["full"]) / math.log(
            large["quotes"] / small["quotes"]
        )
        print(
            f"growth {small['quotes']:,.0f} -> {large['quotes']:,.0f} quotes:"
            f" engine time grows as n^{exponent:.2f} (1 = linear)"
        )
    bench_sample(root)
    bench_contracts(root)
    if missed:
        print(f"goal missed at {missed} of {len(sizes)} sizes: see the ratios above")
    return 0


def bench_contracts(root: Path) -> None:
    """Judging contract changes: the project's contracts, and a thousand generated ones."""
    print("\n== contract changes")
    started = time.perf_counter()
    run([str(BIN / "mbp"), "contracts", "check"], root, {})
    print(
        f"check of the contracts      {time.perf_counter() - started:8.2f} s (goal 1)", flush=True
    )
    subprocess.run([str(BIN / "python"), "-m", "lab.bench.contracts"], cwd=root, check=True)
    subprocess.run([str(BIN / "python"), "-m", "lab.bench.kpi_windows"], cwd=root, check=True)
    subprocess.run([str(BIN / "python"), "-m", "lab.bench.change_capture"], cwd=root, check=True)
    subprocess.run([str(BIN / "python"), "-m", "lab.bench.other_tools"], cwd=root, check=True)


def bench_size(root: Path, scratch: Path, size: int) -> dict[str, float]:
    """One size: simulate, full refresh, add the newest share, incremental build. Figures in seconds, by name."""
    print(f"\n== {size:,} quotes")
    started = time.perf_counter()
    simulate(root, scratch / "history", size)
    print(f"simulate                    {time.perf_counter() - started:8.1f} s")
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
    report("full refresh", full, rows)
    print(
        f"  of the engine time: pure read of the columns {read_seconds:.2f} s, plain copy {copy_seconds:.2f} s"
    )
    added = deliver_the_rest(root, scratch, changes, threshold)
    incremental = build(root, scratch, changes, ["--selector", "daily"])
    report(f"daily, + {added:,} new quotes", incremental, added)
    demand_slice(root, changes, rows)
    idle = build(root, scratch, changes, ["--selector", "daily"])
    report("daily, nothing new", idle, 1)
    ratio = share(incremental, full)
    print(
        f"mbp_quotes and its row rules, incremental / full refresh: {ratio:.1%} (models"
        f" {incremental.models / full.models:.1%}, rules {incremental.row_tests / full.row_tests:.1%});"
        f" goal {INCREMENTAL_GOAL:.0%}: {'reached' if ratio <= INCREMENTAL_GOAL else 'MISSED'}"
    )
    print(
        f"  {share(idle, full):.1%} is spent with nothing new (a fixed price per model and rule),"
        f" {ratio - share(idle, full):.1%} follows the new rows; of the engine time of the whole full"
        f" build it is {(incremental.models + incremental.row_tests) / full.engine:.1%}"
    )
    print(
        f"  beside it: TWAP {incremental.twap / full.twap:.1%} of full (the price in force is searched"
        f" in all quotes of a market); rules over whole logs and the rest {incremental.other:.2f} s of"
        f" {full.other:.2f} s (cdc_no_loss, cdc_order and latency compare the whole log)"
    )
    return {
        "quotes": rows,
        "full": full.engine,
        "quotes_per_second": rows / full.engine,
        "models": full.models,
        "row_rules": full.row_tests,
        "twap": full.twap,
        "plain_copy": copy_seconds,
        "added": incremental.models + incremental.row_tests,
        "idle": idle.models + idle.row_tests,
        "overhead": full.process - full.engine,
    }


def share(part: Build, whole: Build) -> float:
    """Engine time of mbp_quotes and its row rules, as a share."""
    return (part.models + part.row_tests) / (whole.models + whole.row_tests)


def prepare(root: Path, scratch: Path, changes: Mapping[str, str]) -> tuple[str, int]:
    """Raw tables from the history, the newest arrivals of quotes held back; from when, and the quotes there are."""
    with environment(changes), connect(root, "duckdb") as warehouse:
        initialise(root, warehouse)
        [threshold] = thresholds(scratch / "history", 1)
        deliver(warehouse, scratch / "history", scratch, None, threshold)
        return threshold, quotes(warehouse)


def deliver_the_rest(root: Path, scratch: Path, changes: Mapping[str, str], threshold: str) -> int:
    """Adds the rows held back; gives the number of quotes among them."""
    with environment(changes), connect(root, "duckdb") as warehouse:
        before = quotes(warehouse)
        deliver(warehouse, scratch / "history", scratch, threshold, None)
        return quotes(warehouse) - before


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
            f"the daily run checked {looked:,} of {rows:,} rows, not at the new ones",
            fix="fix what it says, then measure again",
        )
    print(f"  rows that its tests checked: {looked:,}")


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


def report(name: str, done: Build, rows: int) -> None:
    print(
        f"{name:27} {done.engine:8.2f} s engine, {rows / done.engine:12,.0f} quotes/s;"
        f" mbp_quotes {done.models:.2f}, its row rules {done.row_tests:.2f}, TWAP {done.twap:.2f},"
        f" other {done.other:.2f}; dbt start-up and overhead {done.process - done.engine:.2f} s"
    )
    for failure in done.failures:
        print(f"  not green: {failure}")


def bench_sample(root: Path) -> None:
    """`dbt build` of the committed sample, as a person runs it."""
    with tempfile.TemporaryDirectory(prefix="mbp-bench-") as scratch:
        changes = {
            "MBP_DUCKDB_PATH": f"{scratch}/mbp.duckdb",
            "DBT_TARGET_PATH": f"{scratch}/target",
            "DBT_LOG_PATH": f"{scratch}/logs",
        }
        started = time.perf_counter()
        run([str(BIN / "dbt"), "build", "--quiet"], root, changes)
        print(
            f"\ndbt build of the sample: {time.perf_counter() - started:.1f} s whole process (goal: 25 s)"
        )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MbpError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(EXIT_COULD_NOT_RUN)
