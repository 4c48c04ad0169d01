"""`mbp cdc drill`: every scenario on its own stage, compared row for row, and the watcher's word."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from mbp.building.dbt_process import environment
from mbp.building.preflight import install_packages
from mbp.cdc import shape
from mbp.cdc.drill import market
from mbp.cdc.drill.compare import Compared
from mbp.cdc.drill.proxy import Proxy
from mbp.cdc.drill.scenarios import SCENARIOS, SECOND, Options, window_end
from mbp.cdc.drill.stage import Stage
from mbp.cdc.source import Source
from mbp.contracts.schema_check import did_you_mean
from mbp.errors import MbpError
from mbp.files import write_text
from mbp.hooks.policy import load_hooks
from mbp.hooks.world import PARTS
from mbp.warehouse import connect
from mbp.warehouse.initialise import initialise
from mbp.warehouse.raw_tables import raw_tables
from mbp.warehouse.server import PostgresServer

TARGETS = ("duckdb", "postgres")
REPORT = "target/cdc_drill"
SEED = 20260105
Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """One scenario on one target.

    Attributes:
        recover_seconds: from the cure until a change made then was in the warehouse; None: never.
        detect_seconds: from the breach to the decision in the data's time; None: nothing was decided.
        decision: what the watcher decided about the lag, and whose it is.
        problems: empty when everything was as it should be.
    """

    scenario: str
    target: str
    what: str
    note: str
    tables: Sequence[Compared]
    recover_seconds: float | None
    detect_seconds: float | None
    decision: str
    peak_memory_mb: float
    problems: Sequence[str]

    @property
    def passed(self) -> bool:
        """Everything was as it should be, and something was compared."""
        return not self.problems and bool(self.tables)


def drill(
    root: Path,
    chosen: Sequence[str],
    targets: Sequence[str],
    say: Say,
    *,
    rows: int,
    hold_seconds: float,
) -> list[Result]:
    """Plays scenarios and writes the report.

    Args:
        chosen: names; all without one.

    Raises:
        MbpError: an unknown scenario or target, or PostgreSQL's binaries are not installed.
    """
    for name in chosen:
        if name not in SCENARIOS:
            raise MbpError(f"no scenario {name!r}", cure=did_you_mean(name, SCENARIOS))
    for target in targets:
        if target not in TARGETS:
            raise MbpError(
                f"no drill for the target {target!r}", cure=f"use {' or '.join(TARGETS)}"
            )
    limit = load_hooks(root).limits["cdc_recovery_seconds"]
    results = []
    with TemporaryDirectory(prefix="mbp-drill-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)  # the servers, which run as nobody, find what lies in it
        copy = _copy(root, folder / "project")
        options = Options(rows, hold_seconds, folder)
        for name in [one for one in SCENARIOS if not chosen or one in chosen]:
            for target in targets:
                say(f"{name} on {target}")
                results.append(_play(copy, folder, name, target, options, limit))
                say(f"  {'passed' if results[-1].passed else 'FAILED'}")
    document = {
        "drilled_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": SEED,
        "rows": rows,
        "hold_seconds": hold_seconds,
        "recovery_limit_seconds": limit,
        "results": [{**asdict(one), "passed": one.passed} for one in results],
    }
    write_text(root / f"{REPORT}.json", json.dumps(document, indent=2, sort_keys=True) + "\n")
    write_text(root / f"{REPORT}.md", as_markdown(results))
    return results


def _play(copy: Path, folder: Path, name: str, target: str, options: Options, limit: int) -> Result:
    scenario = SCENARIOS[name]
    what = (scenario.__doc__ or "").strip()
    with _stage(copy, folder, name, target) as stage:
        try:
            played = scenario(stage, options)
            # What the load did last may still be at the source only.
            stage.command("run", "--once")
            compared = stage.compared()
            problems = [*played.problems]
            decision, detected = played.decided, played.detect_seconds
            if decision is None:
                # At the end of the window in which all this arrived.
                _, decision, detected = stage.watched(window_end(datetime.now(UTC)) + SECOND)
        except MbpError as error:
            tail = "; ".join(stage.said[-3:])
            told = f"{error}. The reader said: {tail}"
            return Result(name, target, what, "", (), None, None, "-", 0.0, (told,))
        finally:
            stage.close()
    problems += [f"{one.table} differs: {one}" for one in compared if not one.same]
    if decision.split(" ")[0] != played.expected:
        problems.append(f"the watcher decided {decision}, expected was {played.expected}")
    if played.recover_seconds > limit:
        problems.append(f"recovered after {played.recover_seconds:.0f} s, limit {limit} s")
    return Result(
        name,
        target,
        what,
        played.note,
        compared,
        round(played.recover_seconds, 2),
        detected,
        decision,
        round(stage.peak_memory_mb),
        problems,
    )


@contextmanager
def _stage(copy: Path, folder: Path, name: str, target: str) -> Iterator[Stage]:
    """Servers of its own: a scenario restarts them, fills their disks and changes their settings."""
    place = folder / f"{name}-{target}"
    place.mkdir(mode=0o755)
    with (
        PostgresServer(market.SETTINGS) as server,
        PostgresServer() as warehouse,
        Proxy(server.host, server.port) as proxy,
    ):
        warehouse.create_database("warehouse")
        settings = {
            **warehouse.environment("warehouse"),
            "MBP_PG_ROLE": "",
            "MBP_DUCKDB_PATH": str(place / "mbp.duckdb"),
            "MBP_DRILL_QUOTA": str(place / "quota"),
            "MBP_RAW": "loaded",
            "MBP_STATE_DIR": str(place / "state"),
            "MBP_PROJECT_DIR": str(copy),
            "MBP_HOOK_URL": "",
            "MBP_ALERTMANAGER_URL": "",
            "DBT_TARGET_PATH": str(place / "target"),
            "DBT_TARGET": target,
        }
        source: Source = market.create(server, "market", shape.by_name(raw_tables(copy)))
        with environment(settings), connect(copy, target) as opened:
            initialise(copy, opened)
        yield Stage(copy, target, server, warehouse, source, proxy, settings, SEED)


def _copy(root: Path, place: Path) -> Path:
    for part in PARTS:
        (place / part).parent.mkdir(parents=True, exist_ok=True)
        if (root / part).is_dir():
            shutil.copytree(root / part, place / part, symlinks=True)
        else:
            shutil.copy2(root / part, place / part)
    install_packages(place)
    return place


def as_table(results: Sequence[Result]) -> str:
    """A line per scenario and target, and what was wrong."""
    lines = [
        f"{'scenario':<18} {'target':<9} {'verdict':<8} {'rows':>10} {'lost':>5} {'twice':>6}"
        f" {'recovered':>10} {'detected':>9}  decision; what happened"
    ]
    for one in results:
        rows = sum(table.rows for table in one.tables)
        lost = sum(table.missing + table.extra + table.other for table in one.tables)
        lines.append(
            f"{one.scenario:<18} {one.target:<9} {'passed' if one.passed else 'FAILED':<8} {rows:>10,} {lost:>5}"
            f" {sum(table.twice for table in one.tables):>6} {_seconds(one.recover_seconds):>10}"
            f" {_seconds(one.detect_seconds):>9}  {one.decision}; {one.note}"
        )
        lines += [f"    {told}" for told in one.problems]
    lines.append(f"{sum(one.passed for one in results)} of {len(results)} passed")
    return "\n".join(lines) + "\n"


def as_markdown(results: Sequence[Result]) -> str:
    """The same for the evidence."""
    lines = [
        "# Drill of the change data capture",
        "",
        "| scenario | target | verdict | rows compared | lost | twice | recovered | decision | what happened |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in results:
        rows = sum(table.rows for table in one.tables)
        lost = sum(table.missing + table.extra + table.other for table in one.tables)
        twice = sum(table.twice for table in one.tables)
        told = "; ".join([one.note, *one.problems]).replace("|", "/")
        lines.append(
            f"| {one.scenario} | {one.target} | {'passed' if one.passed else 'FAILED'} | {rows:,} | {lost}"
            f" | {twice} | {_seconds(one.recover_seconds)} | {one.decision} | {told} |"
        )
    return "\n".join(lines) + "\n"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
