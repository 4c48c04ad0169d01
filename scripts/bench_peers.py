"""Checks the contract of quotes with our tests and with other tools, on the same rows, in one run.

Usage: make bench, or python scripts/bench_peers.py. BENCH_PEERS_DUCKDB and BENCH_PEERS_POSTGRES are the sizes
(numbers of quotes between commas; empty for none), BENCH_MEMORY the memory that DuckDB may take under dbt (16GiB;
more is spilled to disk). 100 million quotes need tens of gigabytes of disk. The result is a table, and
target/bench/peers.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mbp.building.dbt_process import environment
from mbp.contracts import Contract
from mbp.enforcement.compiled import rule_queries
from mbp.enforcement.run import place_of
from mbp.errors import EXIT_COULD_NOT_RUN, MbpError
from mbp.files import write_text
from mbp.measuring import plain_dbt
from mbp.measuring.peers import (
    DAILY,
    DATACONTRACT,
    GX,
    OURS,
    PLAIN_DBT,
    READ,
    Goal,
    Measurement,
    as_json,
    demand_found,
    demand_looked,
    growth,
    judge,
    table,
)
from mbp.measuring.process import Finished, run_measured
from mbp.measuring.tools import DATASET, RELATION, quotes_contract
from mbp.paths import project_root
from mbp.warehouse import Warehouse, connect
from mbp.warehouse.connection import PostgresWarehouse
from mbp.warehouse.initialise import initialise
from mbp.warehouse.server import PostgresServer

BIN = Path(sys.executable).parent
NEW_SHARE = 0.01
DEFAULT_SIZES = "1000000,10000000"
DEFAULT_MEMORY = "16GiB"
RESULT = "target/bench/peers.json"
FAULT_RULE = "mbp_quotes_price_range"
MILLION = 1_000_000
# Of a server that is used, not of one for tests; the same for every tool.
POSTGRES_SETTINGS = {
    "shared_buffers": "2GB",
    "work_mem": "256MB",
    "maintenance_work_mem": "1GB",
    "max_wal_size": "8GB",
}
SUBJECTS = {"duckdb": (DATACONTRACT, PLAIN_DBT), "postgres": (DATACONTRACT, GX, PLAIN_DBT)}
TOOLS = {READ: "read", DATACONTRACT: "datacontract", GX: "gx"}
PG = "postgres"


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
        *(PG, 10 * MILLION, "seconds", PLAIN_DBT, OURS, 1.5),
    ),
    Goal(
        "PostgreSQL: 3 times faster than Great Expectations, end to end",
        *(PG, 10 * MILLION, "seconds", GX, OURS, 3.0),
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
            f"DuckDB: 1 % new rows 5 times faster than {peer} over all rows, end to end",
            *("duckdb", 100 * MILLION, "seconds", peer, DAILY, 5.0),
        )
        for peer in SUBJECTS["duckdb"]
    ),
)


@dataclass(frozen=True)
class World:
    """One warehouse of one size, built, its newest share delivered late."""

    root: Path
    scratch: Path
    engine: str
    changes: Mapping[str, str]
    contract: Contract
    queries: Mapping[str, str]
    rows: int
    since: str

    @property
    def rules(self) -> list[str]:
        return [rule.id for rule in self.contract.rules]


def main() -> int:
    root = project_root(Path(__file__).parent)
    measured: list[Measurement] = []
    try:
        for engine in SUBJECTS:
            for number, size in enumerate(sizes_of(engine)):
                with tempfile.TemporaryDirectory(prefix="mbp-bench-") as scratch:
                    measured += measure_size(root, Path(scratch), engine, size, number == 0)
        if not measured:
            raise MbpError("no size to measure", cure="set BENCH_PEERS_DUCKDB, e.g. 1000000")
    except MbpError as error:
        print(f"bench: {error}", file=sys.stderr)
        return EXIT_COULD_NOT_RUN
    judged = judge(GOALS, measured)
    print("\n" + "\n".join(table(measured)) + "\n")
    print("\n".join([*(f"growth {line}" for line in growth(measured)), ""]))
    print("\n".join(one.words() for one in judged))
    write_text(root / RESULT, json.dumps(as_json(measured, judged), indent=1) + "\n")
    print(f"written to {RESULT}")
    return 0


def sizes_of(engine: str) -> list[int]:
    """The sizes of BENCH_PEERS_..., in order.

    Raises:
        MbpError: something that is no number.
    """
    name = f"BENCH_PEERS_{engine.upper()}"
    told = os.environ.get(name, DEFAULT_SIZES)
    try:
        return sorted(int(one) for one in told.split(",") if one.strip())
    except ValueError as error:
        raise MbpError(f"{name}: {told!r} is no list of numbers", cure="e.g. 1000000") from error


def measure_size(
    root: Path, scratch: Path, engine: str, size: int, with_fault: bool
) -> list[Measurement]:
    """All tools over one size; at the end, when asked, over a planted fault.

    Raises:
        MbpError: a tool that crashed, did not look at every rule, or did not find the fault.
    """
    print(f"\n== {engine}, {size:,} quotes", flush=True)
    measured = []
    with built(root, scratch, engine, size) as world:
        for tool in (READ, OURS, DAILY, *SUBJECTS[engine]):
            one = look(world, tool)
            if tool != READ:
                demand_looked(one, world.rules)
            measured.append(one)
            print(f"{tool}: {one.seconds:.2f} s, engine {one.engine_seconds:.2f} s", flush=True)
        if with_fault:
            plant(world)
            for tool in (OURS, DAILY, *SUBJECTS[engine]):
                demand_found(look(world, tool), FAULT_RULE)
            print(f"a planted fault of {FAULT_RULE} is found by every tool", flush=True)
    return measured


@contextmanager
def built(root: Path, scratch: Path, engine: str, size: int) -> Iterator[World]:
    """A warehouse in which everything is built, the newest quotes in a second build."""
    history = scratch / "history"
    simulate = ["simulate", "--quotes", str(size), "--days", "30", "--format", "parquet"]
    run([str(BIN / "mbp"), *simulate, "--output", str(history)], root, {})
    with server(scratch, engine) as places:
        changes = {
            **places,
            "MBP_RAW": "loaded",
            "MBP_NOW": "end_of_data",
            "DBT_PROFILES_DIR": str(profile(scratch)),
            "DBT_TARGET_PATH": str(scratch / "target"),
            "DBT_LOG_PATH": str(scratch / "logs"),
        }
        with environment(changes):
            with connect(root, engine) as warehouse:
                initialise(root, warehouse)
                threshold = deliver(warehouse, history, scratch, None)
            build(root, engine, changes, "--full-refresh")
            with connect(root, engine) as warehouse:
                since = watermark(warehouse)
                deliver(warehouse, history, scratch, threshold)
            build(root, engine, changes)
            with connect(root, engine) as warehouse:
                if engine == PG:
                    warehouse.execute("vacuum analyze")
                rows = int(warehouse.query(f"select count(*) from {RELATION}")[1][0][0])
            queries = rule_queries(root, engine, changes)
            contract = quotes_contract(root)
            yield World(root, scratch, engine, changes, contract, queries, rows, since)


@contextmanager
def server(scratch: Path, engine: str) -> Iterator[Mapping[str, str]]:
    """The variables that lead to an empty warehouse."""
    if engine != PG:
        yield {"MBP_DUCKDB_PATH": str(scratch / "mbp.duckdb")}
        return
    with PostgresServer(POSTGRES_SETTINGS) as running:
        running.create_database("bench")
        yield running.environment("bench")


def profile(scratch: Path) -> Path:
    """The example's profile, with a bound on the memory of DuckDB; its folder."""
    text = (project_root(Path(__file__).parent) / "profiles.example.yml").read_text("utf-8")
    memory = os.environ.get("BENCH_MEMORY", DEFAULT_MEMORY)
    setting = "        TimeZone: UTC\n"
    if setting not in text:
        raise MbpError("no settings of DuckDB", path="profiles.example.yml", cure="restore it")
    folder = scratch / "profiles"
    write_text(
        folder / "profiles.yml", text.replace(setting, f"{setting}        memory_limit: {memory}\n")
    )
    return folder


def deliver(warehouse: Warehouse, history: Path, scratch: Path, after: str | None) -> str:
    """Raw rows up to the newest share of quotes, or those after the instant; that instant."""
    with duckdb.connect() as files:
        files.execute("set TimeZone = 'UTC'")
        if after is None:
            quotes = f"read_parquet('{history}/mbp.quotes/*.parquet')"
            [(threshold,)] = files.execute(
                f"select quantile_disc(_loaded_at, {1 - NEW_SHARE})::varchar from {quotes}"
            ).fetchall()
        wanted = f"> timestamptz '{after}'" if after else f"<= timestamptz '{threshold}'"
        for folder in sorted(path for path in history.iterdir() if path.is_dir()):
            source = f"read_parquet('{folder}/*.parquet')"
            names = [row[0] for row in files.execute(f"describe from {source}").fetchall()]
            rows = (
                f"select {', '.join(names)} from {source} where _loaded_at {wanted}"
                " order by _loaded_at"
            )
            relation = f"raw_{folder.name}"
            if not isinstance(warehouse, PostgresWarehouse):
                warehouse.execute(f"insert into {relation} ({', '.join(names)}) {rows}")
                continue
            csv = scratch / "rows.csv"
            files.execute(f"copy ({rows}) to '{csv}' (header false, nullstr '\\N')")
            copy = f"copy {relation} ({', '.join(names)}) from stdin (format csv, null '\\N')"
            with csv.open("rb") as lines, warehouse.connection.cursor() as cursor:
                cursor.copy_expert(copy, lines)
            csv.unlink()
    return after or str(threshold)


def watermark(warehouse: Warehouse) -> str:
    """How far the first build applied the log of quotes, as `mbp_slice_since` is given."""
    text = {
        "duckdb": "strftime(max(applied_until), '%Y-%m-%d %H:%M:%S.%f')",
        PG: "to_char(max(applied_until) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
    }[warehouse.engine]
    rows = warehouse.query(
        f"select {text} from intermediate.applied_logs where relation_name = '{DATASET}'"
    )[1]
    if not rows[0][0]:
        raise MbpError(f"nothing says how far {DATASET} was applied", cure="look at applied_logs")
    return str(rows[0][0])


def build(root: Path, engine: str, changes: Mapping[str, str], *options: str) -> None:
    """Models and seeds by the project's own build; the tests are what is measured later."""
    command = [str(BIN / "dbt"), "build", "--quiet", "--target", engine, *options]
    without = [f"--exclude-resource-type={kind}" for kind in ("test", "unit_test")]
    run([*command, *without], root, changes)


def plant(world: World) -> None:
    """A price outside of its bounds in the quote that arrived last."""
    with environment(dict(world.changes)), connect(world.root, world.engine) as warehouse:
        warehouse.execute(
            f"update {RELATION} set price = 1.5 where quote_id = (select quote_id from"
            " intermediate.int_mbp__quotes_latest order by loaded_at desc, quote_id limit 1)"
        )


def look(world: World, tool: str) -> Measurement:
    """One tool over all rows (or, ours, over the new ones).

    Raises:
        MbpError: it could not run.
    """
    folder = world.scratch / "looks"
    folder.mkdir(exist_ok=True)
    if tool in (OURS, DAILY, PLAIN_DBT):
        return by_dbt(world, tool, folder)
    with environment(dict(world.changes)):
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
    command = [sys.executable, "-m", "mbp.measuring.tools", TOOLS[tool]]
    done = measured_run(world, [*command, str(folder / "order.json"), str(result)], world.root)
    if done.code != 0 or not result.is_file():
        raise MbpError(f"{tool} on {world.engine} did not run: {last_words(done)}")
    told = json.loads(result.read_text(encoding="utf-8"))
    return Measurement(
        tool,
        world.engine,
        world.rows,
        told["verdicts"],
        tuple(told["as_sql"]),
        done.seconds,
        told["engine_seconds"],
        done.peak_bytes,
    )


def by_dbt(world: World, tool: str, folder: Path) -> Measurement:
    """Ours, and the plain project: both are `dbt test`."""
    as_sql: tuple[str, ...] = ()
    command = [str(BIN / "dbt"), "test", "--quiet", "--target", world.engine]
    place = world.root
    if tool == PLAIN_DBT:
        place = folder / "plain"
        if not place.exists():
            plain_dbt.write(place, world.contract, world.queries)
        as_sql = tuple(r.id for r in world.contract.rules if plain_dbt.stock_test(r) is None)
    else:
        command += ["--select", f"config.meta.dataset:{DATASET}"]
    if tool == DAILY:
        command += ["--vars", json.dumps({"mbp_slice_since": world.since})]
    (world.scratch / "target" / "run_results.json").unlink(missing_ok=True)
    done = measured_run(world, command, place)
    try:
        told, seconds = plain_dbt.verdicts(world.scratch / "target")
    except OSError as error:
        raise MbpError(f"{tool} on {world.engine} did not run: {last_words(done)}") from error
    if tool != PLAIN_DBT:
        told = by_rule(world.scratch / "target", told)
    return Measurement(
        tool, world.engine, world.rows, told, as_sql, done.seconds, seconds, done.peak_bytes
    )


def by_rule(target: Path, told: Mapping[str, str]) -> dict[str, str]:
    """The verdicts of our tests by the rule that each carries."""
    nodes = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    carried = {
        node["name"]: (node["config"].get("meta") or {}).get("rule_id")
        for node in nodes.values()
        if node["resource_type"] == "test"
    }
    return {str(carried[name]): verdict for name, verdict in told.items() if carried.get(name)}


def measured_run(world: World, command: Sequence[str], folder: Path) -> Finished:
    return run_measured(command, folder, {**os.environ, **world.changes})


def last_words(done: Finished) -> str:
    return f"exit {done.code}: {' '.join(done.talk.split())[-600:]}"


def run(command: Sequence[str], root: Path, changes: Mapping[str, str]) -> None:
    finished = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, **changes},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        said = " ".join((finished.stdout + finished.stderr).split())[-1500:]
        raise MbpError(f"{' '.join(command[:3])} failed: {said}")


if __name__ == "__main__":
    sys.exit(main())
