"""Checks the contract of quotes with our tests and with other tools, on the same rows, in one run.

Usage: make bench, or python -m lab.bench tools. BENCH_PEERS_DUCKDB and BENCH_PEERS_POSTGRES are the sizes
(numbers of quotes between commas; empty for none), BENCH_MEMORY the memory that DuckDB may take under dbt (16GiB;
more is spilled to disk). 100 million quotes need tens of gigabytes of disk.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lab.bench import plain_dbt
from lab.bench.bench_warehouse import (
    DBT,
    POSTGRES,
    BenchWarehouse,
    arrive,
    built,
    compiled,
    count,
    plant,
)
from lab.bench.figures import Figure
from lab.bench.peers import (
    DAILY,
    DAILY_BUILD,
    DAILY_QUOTES,
    DATACONTRACT,
    GX,
    OURS,
    PLAIN_DBT,
    READ,
    Goal,
    ToolMeasurement,
    demand_found,
    demand_looked,
    figures,
    judge,
)
from lab.bench.process import Finished, run_measured
from lab.bench.tools import DATASET
from mbp.core.errors import MbpError
from mbp.quality.enforcement.engine_runs import place_of

DEFAULT_SIZES = "1000000,10000000"
FAULT_RULE = "mbp_quotes_price_range"
MILLION = 1_000_000
SUBJECTS = {"duckdb": (DATACONTRACT, PLAIN_DBT), POSTGRES: (DATACONTRACT, GX, PLAIN_DBT)}
# In the order in which they run, each on its own share.
SELECTORS = {"daily_incremental": DAILY_QUOTES, "daily": DAILY_BUILD}
TOOLS = {READ: "read", DATACONTRACT: "datacontract", GX: "gx"}


# What the project set itself; nothing else states these numbers.
GOALS = (
    Goal(
        "DuckDB: all rules no slower than datacontract-cli, end to end",
        *("duckdb", 10 * MILLION, "seconds", OURS, DATACONTRACT, 1.0),
        at_most=True,
    ),
    Goal(
        "DuckDB: all rules within 6 times the pure read, engine time",
        *("duckdb", 10 * MILLION, "engine_seconds", OURS, READ, 6.0),
        at_most=True,
    ),
    Goal(
        "PostgreSQL: 1.5 times faster than dbt with a test per rule, end to end",
        *(POSTGRES, 10 * MILLION, "seconds", PLAIN_DBT, OURS, 1.5),
    ),
    Goal(
        "PostgreSQL: 3 times faster than Great Expectations, end to end",
        *(POSTGRES, 10 * MILLION, "seconds", GX, OURS, 3.0),
    ),
    *(
        Goal(
            f"{engine}: 1 % new rows at 20 times less engine time than {peer} over all rows",
            *(engine, None, "engine_seconds", peer, DAILY, 20.0),
        )
        for engine, peers in SUBJECTS.items()
        for peer in peers
    ),
    *(
        Goal(
            f"DuckDB: 1 % new rows, {run} 5 times faster than {peer} over all rows, end to end",
            *("duckdb", 100 * MILLION, "seconds", peer, run, 5.0),
        )
        for run in (DAILY_QUOTES, DAILY_BUILD)
        for peer in SUBJECTS["duckdb"]
    ),
)


def measure(root: Path) -> list[Figure]:
    """All tools at all sizes, beside the pure read (engine time) and ours (end to end), and the goals."""
    measured: list[ToolMeasurement] = []
    for engine in SUBJECTS:
        for number, size in enumerate(sizes_of(engine)):
            with tempfile.TemporaryDirectory(prefix="mbp-bench-") as scratch:
                measured += measure_size(root, Path(scratch), engine, size, number == 0)
    if not measured:
        raise MbpError("no size to measure", fix="set BENCH_PEERS_DUCKDB, e.g. 1000000")
    judged = judge(GOALS, measured)
    print("\n".join(judged_goal.words() for judged_goal in judged))
    return figures(measured)


def sizes_of(engine: str) -> list[int]:
    """The sizes of BENCH_PEERS_..., in order.

    Raises:
        MbpError: something that is not a number.
    """
    name = f"BENCH_PEERS_{engine.upper()}"
    sizes = os.environ.get(name, DEFAULT_SIZES)
    try:
        return sorted(int(size) for size in sizes.split(",") if size.strip())
    except ValueError as error:
        raise MbpError(f"{name}: {sizes!r} is not a list of numbers", fix="e.g. 1000000") from error


def measure_size(
    root: Path, scratch: Path, engine: str, size: int, with_fault: bool
) -> list[ToolMeasurement]:
    """All tools over one size; at the end, when asked, over a planted fault.

    Raises:
        MbpError: a tool that crashed, did not check every rule, or did not find the fault.
    """
    print(f"\n== {engine}, {size:,} quotes", flush=True)
    with built(root, scratch, engine, size) as half:
        daily: list[ToolMeasurement] = []
        for number, selector in enumerate(SELECTORS):
            arrive(half, number)
            daily += look_daily(half, selector)
        world = replace(half, rows=count(half), queries=compiled(half))
        measured = [replace(measurement, rows=world.rows) for measurement in daily]
        for tool_measurement in measured:
            demand_looked(
                tool_measurement,
                [rule for rule in world.rules if rule in tool_measurement.verdicts],
            )
        for tool in (READ, OURS, *SUBJECTS[engine]):
            tool_measurement = look(world, tool)
            if tool != READ:
                demand_looked(tool_measurement, world.rules)
            measured.append(tool_measurement)
        for tool_measurement in measured:
            print(
                f"{tool_measurement.tool}: {tool_measurement.seconds:.2f}"
                f" s, engine {tool_measurement.engine_seconds:.2f} s",
                flush=True,
            )
        if with_fault:
            plant(world)
            for tool_measurement in look_daily(world, "daily_incremental"):
                demand_found(tool_measurement, FAULT_RULE)
            for tool in (OURS, *SUBJECTS[engine]):
                demand_found(look(world, tool), FAULT_RULE)
            print(f"a planted fault of {FAULT_RULE} is found by every tool", flush=True)
    return measured


def look_daily(world: BenchWarehouse, selector: str) -> list[ToolMeasurement]:
    """A daily run on what has just arrived; for quotes, the rules are reported apart from the rest.

    Raises:
        MbpError: it could not run.
    """
    target = world.scratch / "target"
    command = [DBT, "build", "--quiet", "--target", world.engine, "--selector", selector]
    done, results = dbt_results(world, command, world.root)
    rules = plain_dbt.by_rule(target, results)
    mine = {rule: rules[rule] for rule in world.rules if rule in rules}
    if not mine:
        raise MbpError(
            f"the daily run on {world.engine} checked no rule: {last_words(done)}",
            fix="fix what it says, then measure again",
        )
    verdicts = {rule: outcome[0] for rule, outcome in mine.items()}
    seconds = {SELECTORS[selector]: sum(result[1] for result in results.values())}
    if selector == "daily_incremental":
        seconds = {DAILY: sum(outcome[1] for outcome in mine.values()), **seconds}
    return [
        ToolMeasurement(
            *(tool, world.engine, 0, verdicts, (), done.seconds),
            *(spent, done.processor_seconds, done.peak_bytes),
        )
        for tool, spent in seconds.items()
    ]


def look(world: BenchWarehouse, tool: str) -> ToolMeasurement:
    """One tool over all rows (or, ours, over the new ones).

    Raises:
        MbpError: it could not run.
    """
    folder = world.scratch / "looks"
    folder.mkdir(exist_ok=True)
    if tool in (OURS, PLAIN_DBT):
        return by_dbt(world, tool, folder)
    place = place_of(world.root, world.engine)
    order = {
        "root": str(world.root),
        "engine": world.engine,
        "queries": dict(world.queries),
        "server": dict(place.server),
        "credentials": dict(place.credentials),
        "address": place.address,
    }
    (folder / "order.json").write_text(json.dumps(order), encoding="utf-8")
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    command = [sys.executable, "-m", "lab.bench.tools", TOOLS[tool]]
    done = measured_run(world, [*command, str(folder / "order.json"), str(result)], world.root)
    if done.code != 0 or not result.is_file():
        raise MbpError(
            f"{tool} on {world.engine} did not run: {last_words(done)}",
            fix="fix what it says, then measure again",
        )
    report = json.loads(result.read_text(encoding="utf-8"))
    return ToolMeasurement(
        tool,
        world.engine,
        world.rows,
        report["verdicts"],
        tuple(report["as_sql"]),
        done.seconds,
        report["engine_seconds"],
        done.processor_seconds,
        done.peak_bytes,
    )


def by_dbt(world: BenchWarehouse, tool: str, folder: Path) -> ToolMeasurement:
    """Ours, and the plain project: both are `dbt test`."""
    as_sql: tuple[str, ...] = ()
    command = ["test", "--quiet", "--target", world.engine]
    place = world.root
    if tool == PLAIN_DBT:
        command = [DBT, *command]
        place = folder / "plain"
        if not place.exists():
            plain_dbt.write(place, world.contract, world.queries)
        as_sql = tuple(r.id for r in world.contract.rules if plain_dbt.stock_test(r) is None)
    else:
        command = [DBT, *command, "--select", f"config.meta.dataset:{DATASET}"]
    done, results = dbt_results(world, command, place)
    if tool == OURS:
        results = plain_dbt.by_rule(world.scratch / "target", results)
    return ToolMeasurement(
        tool,
        world.engine,
        world.rows,
        {name: result[0] for name, result in results.items()},
        as_sql,
        done.seconds,
        sum(result[1] for result in results.values()),
        done.processor_seconds,
        done.peak_bytes,
    )


def dbt_results(
    world: BenchWarehouse, command: Sequence[str], folder: Path
) -> tuple[Finished, dict[str, tuple[str, float]]]:
    """What one dbt command came to, node by node.

    Raises:
        MbpError: it left no results: it did not run.
    """
    # A folder for each project: dbt keeps there what it has parsed.
    target = target_of(world, folder)
    (target / "run_results.json").unlink(missing_ok=True)
    settings = {**os.environ, **world.changes, "DBT_TARGET_PATH": str(target)}
    done = run_measured(command, folder, settings)
    try:
        return done, plain_dbt.results(target)
    except OSError as error:
        what = f"{' '.join(command[:3])} on {world.engine} did not run: {last_words(done)}"
        raise MbpError(what, fix="fix what it says, then measure again") from error


def target_of(world: BenchWarehouse, folder: Path) -> Path:
    """Where dbt leaves the artifacts of the project in the folder."""
    return (world.scratch if folder == world.root else folder) / "target"


def measured_run(world: BenchWarehouse, command: Sequence[str], folder: Path) -> Finished:
    return run_measured(command, folder, {**os.environ, **world.changes})


def last_words(done: Finished) -> str:
    return f"exit {done.code}: {' '.join(done.talk.split())[-600:]}"
