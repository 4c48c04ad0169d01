"""The scenarios of the runbook: each makes something go wrong, for real, and tells how long it took to mend."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mbp.cdc.drill import market
from mbp.cdc.drill.stage import Stage, begun, wait_for
from mbp.errors import MbpError

KILLS = 12
LIFE_SECONDS = (1.0, 5.0)
DARK_SECONDS = 8.0
QUOTA_BYTES = 48 * 2**20
# Held for so long, every change of the time arrives so late at the most, and 95 % of them at 0.95 of it.
HOLD_SECONDS = 190.0
WINDOW_SECONDS = 300
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Options:
    """Sizes of the drill.

    Attributes:
        rows: of the large transaction.
        hold_seconds: for how long nothing is read in the scenario of the lag.
        scratch: a folder for files of the drill.
    """

    rows: int
    hold_seconds: float
    scratch: Path


@dataclass(frozen=True)
class Played:
    """What a scenario tells.

    Attributes:
        recover_seconds: from the cure until a change made then was in the warehouse.
        expected: the decision of the watcher: 'none' or the actions of the hook.
        look_at: when the watcher looks; None: after the scenario.
        lag_recovered_seconds: from the decision to a watcher that is green again, where that was tried.
    """

    recover_seconds: float
    note: str
    expected: str = "none"
    decided: str | None = None
    detect_seconds: float | None = None
    problems: tuple[str, ...] = ()


Scenario = Callable[[Stage, Options], Played]


def reader_killed(stage: Stage, _: Options) -> Played:
    """kill -9 of the reader, again and again, at random moments under load."""
    chance = random.Random(stage.seed)  # noqa: S311
    with stage.load():
        for _number in range(KILLS):
            process = stage.start()
            time.sleep(chance.uniform(*LIFE_SECONDS))
            stage.kill(process)
    with stage.reader():
        return Played(stage.caught_up(), f"{KILLS} kills")


def source_restarted(stage: Stage, _: Options) -> Played:
    """The source is restarted, and crashes, while the reader runs."""
    with stage.reader() as process:
        with stage.load():
            stage.caught_up()
            stage.server.restart()
            stage.caught_up()
            stage.server.restart(kill=True)
            seconds = stage.caught_up()
        return Played(seconds, "restart and crash", problems=_alive(process))


def target_restarted(stage: Stage, _: Options) -> Played:
    """The warehouse goes away while the reader runs: a restart and a crash, or a file that others hold."""
    with stage.reader() as process:
        with stage.load():
            stage.caught_up()
            if stage.target == "postgres":
                stage.warehouse_server.restart()
                stage.caught_up()
                stage.warehouse_server.restart(kill=True)
                note = "restart and crash"
            else:
                with _held(stage):
                    time.sleep(DARK_SECONDS)
                note = f"file held for {DARK_SECONDS:.0f} s"
            seconds = stage.caught_up()
        return Played(seconds, note, problems=_alive(process))


def target_disk_full(stage: Stage, _: Options) -> Played:
    """The warehouse has no room left for a while."""
    with _quota(stage) as folder:
        with stage.reader() as process:
            with stage.load():
                stage.caught_up()
                ballast = folder / "ballast"
                _fill(ballast)
                stage.execute(market.quotes(1_000_000, 60_000))
                wait_for(
                    lambda: any("interrupted" in line for line in stage.said),
                    "the reader notices the full disk",
                )
                waited = _alive(process)
                ballast.unlink()
                seconds = stage.caught_up()
            problems = (*waited, *_alive(process))
        return Played(seconds, "filled to the last block, then freed", problems=problems)


def network_cut(stage: Stage, _: Options) -> Played:
    """The network between reader and source is gone, open connections broken and new ones unanswered."""
    with stage.reader() as process:
        with stage.load():
            stage.caught_up()
            stage.proxy.cut()
            time.sleep(DARK_SECONDS)
            stage.proxy.mend()
            seconds = stage.caught_up()
        return Played(seconds, f"dark for {DARK_SECONDS:.0f} s", problems=_alive(process))


def late(stage: Stage, options: Options) -> Played:
    """Nothing is read for longer than the target of the lag; then everything arrives at once, late."""
    with stage.load():
        with stage.reader():
            wait_for(lambda: begun(stage), "the first snapshot is there")
            stage.caught_up()
        time.sleep(_until_end_of_window(options.hold_seconds))
        held = datetime.now(UTC)
        time.sleep(options.hold_seconds)
        process = stage.start()
        seconds = stage.caught_up()
        arrived = datetime.now(UTC)
        stage.stop(process)
    end = window_end(arrived)
    state, decided, detected = stage.watched(end + SECOND)
    problems = []
    if state.colour != "red":
        value = "no value" if state.value is None else f"{state.value} s"
        problems.append(f"the watcher did not see it: {state.colour}, {value}, {state.why}")
    # The next window, with a reader that keeps up: the decision must close by itself.
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds() + 1))
    with stage.reader(), stage.load():
        time.sleep(15)
        stage.caught_up()
    after, _, _ = stage.watched(end + timedelta(seconds=WINDOW_SECONDS) + SECOND)
    if after.colour != "green":
        problems.append(f"the lag did not recover: {after.colour}, {after.why}")
    value = "-" if state.value is None else f"{float(state.value):.0f}"
    note = f"held {(arrived - held).total_seconds():.0f} s, p95 of the window {value} s; green in the next window"
    return Played(seconds, note, "degrade+rollback", decided, detected, tuple(problems))


def schema_drift(stage: Stage, _: Options) -> Played:
    """A new column, then a contracted column renamed: its table stops, the others go on, until it is mended."""
    with stage.reader() as process:
        stage.caught_up()
        stage.execute("alter table markets add column mood text", market.quotes(2_000_000, 100))
        stage.caught_up()
        stage.execute(
            "alter table quotes rename column price to prize",
            market.quotes(2_100_000, 100).replace("price", "prize"),
        )
        stage.caught_up()
        wait_for(
            lambda: bool(stage.rows("select 1 from raw_mbp._cdc_streams")), "quotes stands still"
        )
        wrong = stage.rows("select count(*) from raw_mbp.quotes where quote_id like 'q-21%'")[0][0]
        stage.execute(
            "alter table quotes rename column prize to price",
            "delete from quotes where quote_id = 'q-2000007'",
        )
        problems = _alive(process)
    if wrong:
        problems += (f"{wrong} rows landed after the break",)
    code = stage.command("resnapshot", "--table", "quotes")
    if code:
        problems += (f"`mbp cdc resnapshot --table quotes` ended with {code}",)
    with stage.reader():
        return Played(
            stage.caught_up(), "new column taken, renamed one stopped its table", problems=problems
        )


def large_transaction(stage: Stage, options: Options) -> Played:
    """One transaction of a million rows."""
    with stage.reader() as process:
        stage.caught_up()
        begun_at = time.monotonic()
        stage.execute(market.quotes(3_000_000, options.rows))
        wait_for(
            lambda: (
                stage.rows("select count(*) from raw_mbp.quotes where quote_id like 'q-3%'")[0][0]
                >= options.rows
            ),
            "the transaction is in the warehouse",
        )
        whole = time.monotonic() - begun_at
        seconds = stage.caught_up()
        problems = _alive(process)
    note = f"{options.rows:,} rows in {whole:.0f} s, {stage.peak_memory_mb:.0f} MB at the most"
    return Played(seconds, note, problems=problems)


def slot_invalidated(stage: Stage, _: Options) -> Played:
    """The source kept all the log that it may, and lost the slot."""
    with stage.reader():
        stage.caught_up()
    stage.execute("alter system set max_slot_wal_keep_size = '1MB'", "select pg_reload_conf()")
    try:
        for number in range(20):
            stage.execute(
                market.quotes(4_000_000 + number * 100, 100),
                f"delete from quotes where quote_id = 'q-{4_000_000 + number * 100}'",
                "select pg_switch_wal()",
                "checkpoint",
            )
            slot = stage.slot()
            if slot is not None and slot["wal_status"] == "lost":
                break
        else:
            raise MbpError(
                "the source did not lose the slot", cure="look at max_slot_wal_keep_size"
            )
    finally:
        stage.execute("alter system reset max_slot_wal_keep_size", "select pg_reload_conf()")
    refused = stage.command("run", "--once")
    problems: tuple[str, ...] = ()
    if refused != 2 or not any("the slot is gone" in line for line in stage.said):  # noqa: PLR2004 - could not run
        problems += (f"the reader went on over a lost slot (exit {refused})",)
    code = stage.command("resnapshot")
    if code:
        problems += (f"`mbp cdc resnapshot` ended with {code}",)
    with stage.reader():
        return Played(stage.caught_up(), "refused, then taken over anew", problems=problems)


SCENARIOS: dict[str, Scenario] = {
    one.__name__: one
    for one in (
        reader_killed,
        source_restarted,
        target_restarted,
        target_disk_full,
        network_cut,
        schema_drift,
        large_transaction,
        slot_invalidated,
        late,
    )
}


def _alive(process: subprocess.Popen[str]) -> tuple[str, ...]:
    code = process.poll()
    return () if code is None else (f"the reader ended by itself with {code}",)


def window_end(at: datetime) -> datetime:
    """Of the window of the measurement sheet that an instant lies in."""
    seconds = (int(at.timestamp()) // WINDOW_SECONDS + 1) * WINDOW_SECONDS
    return datetime.fromtimestamp(seconds, UTC)


def _until_end_of_window(hold: float) -> float:
    """How long to wait so that what is held arrives well within one window, together."""
    return max(0.0, (-(time.time() + hold)) % WINDOW_SECONDS - (WINDOW_SECONDS - 20))


@contextmanager
def _held(stage: Stage) -> Iterator[None]:
    """The DuckDB file, open for writing in this process."""
    import duckdb

    path = stage.settings["MBP_DUCKDB_PATH"]
    opened = None
    while opened is None:
        with suppress(duckdb.IOException):
            opened = duckdb.connect(path)
    try:
        yield
    finally:
        opened.close()


@contextmanager
def _quota(stage: Stage) -> Iterator[Path]:
    """A small file system of its own, with what the reader writes in it.

    Raises:
        MbpError: none can be mounted here.
    """
    folder = Path(stage.settings["MBP_DRILL_QUOTA"])
    folder.mkdir(mode=0o777, parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={QUOTA_BYTES},mode=0777", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MbpError(
            f"no directory with a quota can be mounted: {done.stderr.strip()}",
            cure="run the drill as root on Linux, or leave target_disk_full out",
        )
    try:
        stage.move_into(folder)
        yield folder
        stage.move_back()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def _fill(ballast: Path) -> None:
    """Leaves no block free."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
