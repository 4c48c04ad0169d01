"""Scenarios in which something goes away and comes back: reader, source, warehouse, disk, network, time."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab.drill import market, quota
from lab.drill.played import Lateness, Options, Played, Scenario, alive
from lab.drill.scenario_servers import ScenarioServers, wait_for
from mbp.core.errors import MbpError
from mbp.ingest.cdc.capture_status import read_status
from mbp.ingest.cdc.market_source import MarketSource
from mbp.runs.dbt_process import environment

SNAPSHOT_ROWS = 30_000
LIFE_SECONDS = 1.5
INTERRUPTED = "interrupted"
# More than the small file system can hold, whatever was free in its pages.
MORE_ROWS = 60_000
# The scenario `late`, in seconds of the world.
DELAY, RAMP, LATE, BEFORE, AFTER = 180.0, 60.0, 600.0, 330.0, 660.0


def reader_killed(stage: ScenarioServers, options: Options) -> Played:
    """kill -9 at random moments: of the start, the snapshot, the stream."""
    chance = random.Random(stage.seed)  # noqa: S311
    stage.execute(market.quotes(1, SNAPSHOT_ROWS))
    noticed = None
    with stage.load() as load:
        for number in range(options.kills):
            process = stage.start()
            if number % 2:
                wait_for(lambda: bool((stage.slot() or {}).get("active")), "the reader streams")
            time.sleep(chance.uniform(0.2, LIFE_SECONDS))
            stage.kill(process)
            killed = time.monotonic()
            if noticed is None and number % 2:
                wait_for(
                    lambda: _finds(stage, "no reader streams"),
                    "status reports that no reader streams",
                )
                noticed = time.monotonic() - killed
        with stage.reader() as process:
            seconds = stage.caught_up()
            problems = alive(process)
        committed = load.committed
    _finish(stage)
    if noticed is None:
        problems += ("the reader was never killed while it streamed: too few kills",)
    note = f"{options.kills} kills under load ({committed:,} transactions)"
    return Played(noticed, "`mbp cdc status`: no reader streams", seconds, note, problems)


def source_restarted(stage: ScenarioServers, options: Options) -> Played:
    """The source is restarted in good order, then it crashes and is away for a while."""
    with stage.reader() as process, stage.load() as load:
        stage.caught_up()
        fault = time.monotonic()
        stage.server.restart()
        noticed = stage.noticed(INTERRUPTED, fault)
        stage.caught_up()
        stage.server.kill()
        time.sleep(options.dark_seconds)
        stage.server.serve()
        seconds = stage.caught_up()
        problems = alive(process)
    _finish(stage)
    note = f"a restart, and a crash with {options.dark_seconds:.0f} s away; {load.interrupted} transactions refused"
    return Played(noticed, "the reader: interrupted", seconds, note, problems)


def target_restarted(stage: ScenarioServers, options: Options) -> Played:
    """The warehouse goes away: a restart and a crash of its server, or a file that another process holds."""
    server = stage.warehouse_server
    with stage.reader() as process, stage.load():
        # The first change may come with the snapshot; the second one comes through an open stream.
        stage.caught_up()
        stage.caught_up()
        fault = time.monotonic()
        if server is None:
            with _held(stage):
                time.sleep(options.dark_seconds)
            # A file that dbt holds needs no notice; the lag of what waited is the sign.
            noticed = None
            sign, note = "", "file held by another process"
        else:
            server.restart()
            noticed = stage.noticed(INTERRUPTED, fault)
            stage.caught_up()
            server.kill()
            time.sleep(options.dark_seconds)
            server.serve()
            sign, note = "the reader: interrupted", "a restart, and a crash"
        seconds = stage.caught_up()
        problems = alive(process)
    _finish(stage)
    return Played(noticed, sign, seconds, f"{note}, {options.dark_seconds:.0f} s away", problems)


def target_disk_full(stage: ScenarioServers, options: Options) -> Played:
    """The warehouse has no block left for a while."""
    folder = stage.quota
    if folder is None:
        raise MbpError("there is no directory with a quota", fix="start the scenario first")
    with stage.reader() as process, stage.load():
        stage.caught_up()
        written = quota.fill(folder)
        fault = time.monotonic()
        stage.execute(market.quotes(1_000_000, MORE_ROWS))
        noticed = stage.noticed(INTERRUPTED, fault)
        held, there = stage.position(), _large(stage)
        time.sleep(options.dark_seconds)
        problems = alive(process)
        if stage.position() != held:
            problems += ("the position moved although the transaction could not be written",)
        if there or _large(stage):
            problems += ("a part of the transaction is visible",)
        quota.empty(folder)
        seconds = stage.caught_up()
        problems += alive(process)
        if _large(stage) != MORE_ROWS:
            problems += (f"{_large(stage):,} of {MORE_ROWS:,} rows are there after the fix",)
    _finish(stage)
    size, ballast = quota.QUOTA_BYTES / 2**20, written / 2**20
    note = f"{ballast:.0f} MiB of ballast in a file system of {size:.0f} MiB; position held"
    return Played(noticed, "the reader: interrupted", seconds, note, problems)


def network_cut(stage: ScenarioServers, options: Options) -> Played:
    """The network stalls (nothing passes, nothing breaks); then it is cut and new connections get no answer."""
    with stage.reader() as process, stage.load():
        stage.caught_up()
        stage.proxy.stall()
        time.sleep(options.dark_seconds)
        stage.proxy.restore()
        stage.caught_up()
        fault = time.monotonic()
        stage.proxy.cut()
        noticed = stage.noticed(INTERRUPTED, fault)
        time.sleep(options.dark_seconds)
        stage.proxy.restore()
        seconds = stage.caught_up()
        problems = alive(process)
    _finish(stage)
    note = f"stalled for {options.dark_seconds:.0f} s, cut and unanswered for {options.dark_seconds:.0f} s"
    return Played(noticed, "the reader: interrupted", seconds, note, problems)


def late(stage: ScenarioServers, options: Options) -> Played:
    """Ten minutes of changes of the source arrive 180 seconds late, all the while the stream flows."""
    scale = options.scale
    with stage.reader() as process, stage.load():
        stage.caught_up()
        begun = time.time()
        time.sleep(BEFORE / scale)
        fault = time.time()
        stage.proxy.delay(DELAY / scale, RAMP / scale)
        time.sleep((RAMP + LATE) / scale)
        fix = time.time()
        stage.proxy.restore()
        seconds = stage.caught_up()
        time.sleep(AFTER / scale)
        problems = alive(process)
        ended = time.time()
    _finish(stage)
    note = f"delay of {DELAY / scale:g} s on the stream for {LATE / scale:g} s, on top of a ramp of {RAMP / scale:g} s"
    lateness = Lateness(begun, fault, fix, ended, scale)
    return Played(None, "", seconds, note, problems, lateness)


SCENARIOS = (
    Scenario(
        "reader_killed",
        "The reader is killed -9, again and again, at random moments.",
        reader_killed,
    ),
    Scenario("source_restarted", "The source is restarted, and crashes.", source_restarted),
    Scenario(
        "target_restarted",
        "The warehouse is restarted, and crashes; a file is held.",
        target_restarted,
    ),
    Scenario(
        "target_disk_full", "The disk of the warehouse is full.", target_disk_full, needs_quota=True
    ),
    Scenario("network_cut", "The network to the source stalls, and is cut.", network_cut),
    Scenario(
        "late",
        "For ten minutes of the source, changes arrive 180 s late.",
        late,
        "degrade+rollback",
    ),
)


def _finish(stage: ScenarioServers) -> None:
    """What came after the last mark, until the load ended."""
    code = stage.command("run", "--once")
    if code:
        raise MbpError(
            f"`mbp cdc run --once` ended with {code}: {stage.tail()}",
            fix="see what it said; `mbp cdc status` shows its state",
        )


def _large(stage: ScenarioServers) -> int:
    return stage.number("select count(*) from raw_mbp.quotes where quote_id like 'q-1______'")


def _finds(stage: ScenarioServers, text: str) -> bool:
    postgres_server = stage.server
    administrator = MarketSource(
        postgres_server.host,
        postgres_server.port,
        postgres_server.user,
        postgres_server.password,
        stage.source.database,
    )
    with environment(stage.settings):
        findings = read_status(stage.root, stage.target, administrator).findings
    return any(text in finding for finding in findings)


@contextmanager
def _held(stage: ScenarioServers) -> Iterator[None]:
    """The DuckDB file, open for writing in another process, as dbt has it."""
    program = (
        "import duckdb, sys, time\n"
        "while True:\n"
        "    try:\n"
        "        held = duckdb.connect(sys.argv[1]); break\n"
        "    except duckdb.IOException:\n"
        "        time.sleep(0.01)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, stage.settings["MBP_DUCKDB_PATH"]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None  # noqa: S101 - it was asked for
        holder.stdout.readline()
        yield
    finally:
        holder.communicate(timeout=30)
