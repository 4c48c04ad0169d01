"""`mbp cdc reconcile`: source and warehouse at one point of the log, by a count and a hash per range of keys."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import psycopg2

from mbp.core.errors import MbpError
from mbp.core.reporting import Finding
from mbp.ingest.cdc import change_shape, reconcile
from mbp.ingest.cdc.apply import PREFIX
from mbp.ingest.cdc.capture import SlotReader
from mbp.ingest.cdc.capture_control import CaptureControl
from mbp.ingest.cdc.market_source import (
    PUBLICATION,
    SLOT,
    MarketSource,
    slot_state,
    take_snapshot,
)
from mbp.ingest.cdc.reconcile import live
from mbp.ingest.cdc.source_tables import SourceTable, read_tables
from mbp.ingest.cdc.watch_source import OtherReaderError
from mbp.ingest.raw_tables import raw_tables
from mbp.warehouse import connect, quote_identifier

RANGE_ROWS, MOST_RANGES = 10_000, 1000
# Of so many ranges of a table the rows are compared one by one.
DETAILED = 5
# Keys of a range that are named, and numbers of other ranges.
SAMPLE, SHOWN = 5, 10
KINDS = {
    "missing": "missing in the warehouse",
    "extra": "not at the source",
    "other": "with other values",
}
PATIENCE_SECONDS, PAUSE_SECONDS = 120.0, 0.5
Say = Callable[[str], None]


@dataclass(frozen=True)
class RangeDifference:
    """A range of keys whose rows are not the same.

    Attributes:
        first, end: it begins at the first and ends before the end; None: at the smallest key, after the largest.
        keys: key -> how it differs; None: only the hash of the range was compared.
    """

    number: int
    first: str | None
    end: str | None
    keys: dict[str, str] | None = None


@dataclass(frozen=True)
class ComparedTable:
    """One table.

    Attributes:
        source_rows, warehouse_rows: that were compared.
        moving: keys that were left out, because they changed since the comparison began.
        letters: changes in quarantine, which the warehouse lacks.
        problem: why it was not compared; empty: it was.
    """

    table: str
    source_rows: int = 0
    warehouse_rows: int = 0
    ranges: int = 0
    moving: int = 0
    differences: tuple[RangeDifference, ...] = ()
    letters: int = 0
    problem: str = ""


def compare(
    root: Path,
    target: str,
    source: MarketSource,
    tables: Sequence[str],
    say: Say,
    stopping: Callable[[], bool] = lambda: False,
) -> list[ComparedTable]:
    """Compares tables, without the rows that changed since the comparison began: those are left to the next one.

    Raises:
        MbpError: source or warehouse cannot be read, or the warehouse does not reach the point.
    """
    columns = change_shape.by_name(raw_tables(root))
    comparison = _Comparison(root, target, source, say, stopping)
    try:
        return comparison.run({name: columns[name] for name in tables})
    except psycopg2.Error as error:
        reason = " ".join(str(error).split())
        raise MbpError(
            f"the source or the warehouse failed: {reason[:300]}",
            fix="fix what it names and run it again",
        ) from error


class _Comparison:
    """Source and warehouse, at one point."""

    def __init__(
        self,
        root: Path,
        target: str,
        source: MarketSource,
        say: Say,
        stopping: Callable[[], bool],
    ) -> None:
        self.root, self.target, self.source = root, target, source
        self.say, self.stopping = say, stopping

    def run(self, columns: dict[str, list[tuple[str, str]]]) -> list[ComparedTable]:
        if slot_state(self.source) is None:
            raise MbpError(
                f"the source has no slot {SLOT}: nothing was ever read, or it was removed",
                fix="`mbp cdc run` takes the first snapshot; see `mbp cdc status`",
            )
        with ExitStack() as stack:
            snapshot = take_snapshot(self.source)
            try:
                cursor = stack.enter_context(self.source.cursor(snapshot=snapshot))
                # One process of the source, and no more.
                cursor.execute("set max_parallel_workers_per_gather = 0")
                tables = read_tables(cursor, PUBLICATION, self.source.schema, columns)
            finally:
                # The transaction keeps what it sees.
                snapshot.close()
            number = self._reach(self._mark())
            since = snapshot.milliseconds
            return [
                self._table(cursor, tables[name], number, since, listed)
                for name, listed in columns.items()
            ]

    def _mark(self) -> Any:
        """Writes a heartbeat into the log of the source, right after the snapshot; an instant before it."""
        with self.source.cursor() as cursor:
            cursor.execute("select clock_timestamp()")
            ((instant,),) = cursor.fetchall()
            cursor.execute("select pg_logical_emit_message(true, %s, '')", [PREFIX])
        return instant

    def _reach(self, instant: Any) -> int:
        """The place of the mark in the logs, once the reader that runs has brought it, or one of our own."""
        slot = slot_state(self.source)
        if slot is not None and not slot["active"]:
            reader = SlotReader(self.root, self.target, self.source, self.say, self.stopping)
            with suppress(OtherReaderError):
                reader.run(once=True)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with connect(self.root, self.target, read_only=True) as warehouse:
                _, rows = warehouse.query(
                    "select min(cast(split_part(heartbeat_id, '-', 1) as bigint)) from raw_ops.cdc_heartbeats"
                    f" where emitted_at >= {warehouse.mark} and _loaded_at >="
                    " (select max(_loaded_at) - interval '1 hour' from raw_ops.cdc_heartbeats)",
                    [instant],
                )
            if rows[0][0] is not None:
                return int(rows[0][0])
            if time.monotonic() > deadline or self.stopping():
                raise MbpError(
                    f"a heartbeat did not reach the warehouse within {PATIENCE_SECONDS:.0f} s",
                    fix="see `mbp cdc status`: the reader must stream and keep up",
                )
            time.sleep(PAUSE_SECONDS)

    def _table(
        self,
        cursor: Any,
        table: SourceTable,
        number: int,
        since: int,
        columns: list[tuple[str, str]],
    ) -> ComparedTable:
        try:
            if table.problem:
                return ComparedTable(table.name, problem=table.problem)
            change_shape.demand_fit(table.shape, columns)
        except MbpError as error:
            return ComparedTable(table.name, problem=error.what)
        key = columns[0][0]
        cursor.execute(reconcile.count(table))
        parts = min(MOST_RANGES, max(1, ceil(cursor.fetchone()[0] / RANGE_ROWS)))
        cursor.execute(
            reconcile.range_keys(table, key), [[place / parts for place in range(1, parts)]]
        )
        bounds = [bytes.fromhex(row[0]) for row in cursor.fetchall()]
        with connect(self.root, self.target, read_only=True) as warehouse:
            control = CaptureControl(warehouse, SLOT)
            kept = control.stopped().get(table.name)
            if kept is not None:
                return ComparedTable(table.name, problem=f"it is stopped: {kept[1]}")
            letters = control.letter_counts().get(table.name, 0)
            engine, log = warehouse.engine, f"mbp.{table.name}"
            # A transaction is in the snapshot or after the mark; those in between began after this instant.
            moving = [
                str(row[0])
                for row in warehouse.query(
                    f"select distinct {quote_identifier(key)} from raw_{log} where __source_ts_ms >= {since}"
                )[1]
            ]
            ours = reconcile.at_source(table, columns)
            theirs = reconcile.in_warehouse(engine, live(log, columns, str(number)), columns)
            read = reconcile.parameters(engine, bounds, moving)
            here = _by_range(warehouse.query(reconcile.per_range(engine, theirs), read)[1])
        # The DuckDB file is free for the reader while the source is read.
        read_source = reconcile.parameters("postgres", bounds, moving)
        cursor.execute(reconcile.per_range("postgres", ours), read_source)
        there = _by_range(cursor.fetchall())
        differing = sorted(
            place for place in there.keys() | here.keys() if there.get(place) != here.get(place)
        )
        detailed, rows, source_rows = differing[:DETAILED], [], []
        if detailed:
            cursor.execute(reconcile.of_ranges("postgres", ours), [*read_source, detailed])
            source_rows = cursor.fetchall()
            with connect(self.root, self.target, read_only=True) as warehouse:
                sql = reconcile.of_ranges(engine, theirs)
                rows = warehouse.query(sql, [*read, detailed])[1]
        return ComparedTable(
            table.name,
            sum(count for count, _ in there.values()),
            sum(count for count, _ in here.values()),
            len(bounds) + 1,
            len(moving),
            (
                *(_detailed(place, bounds, source_rows, rows) for place in detailed),
                *(_range(place, bounds) for place in differing[DETAILED:]),
            ),
            letters,
        )


def _by_range(rows: Sequence[tuple[Any, ...]]) -> dict[int, tuple[int, int]]:
    """Range -> (rows, sum of hashes)."""
    return {int(place): (int(count), int(total)) for place, count, total in rows}


def _range(number: int, keys: Sequence[bytes]) -> RangeDifference:
    first = keys[number - 1].decode() if number else None
    return RangeDifference(number + 1, first, keys[number].decode() if number < len(keys) else None)


def _detailed(
    number: int,
    bounds: Sequence[bytes],
    source: Sequence[tuple[Any, ...]],
    warehouse: Sequence[tuple[Any, ...]],
) -> RangeDifference:
    there, here = (
        Counter((key or "", int(digest)) for place, key, digest in rows if place == number)
        for rows in (source, warehouse)
    )
    missing, extra = {key for key, _ in there - here}, {key for key, _ in here - there}
    kinds = {
        key: "other" if key in missing & extra else "missing" if key in missing else "extra"
        for key in sorted(missing | extra)
    }
    return replace(_range(number, bounds), keys=kinds)


def findings(table: ComparedTable, mask: Callable[[str], str]) -> Iterator[Finding]:
    """One per range that differs, with masked keys; those whose hash alone was compared are one."""
    if table.problem:
        yield Finding(
            "cdc_not_compared",
            table.problem,
            subject=table.table,
            fix=f"fix it, then `mbp cdc resnapshot --table {table.table}`",
            not_measured=True,
        )
    waiting = f"; {table.letters:,} changes are in quarantine" if table.letters else ""
    fix = (
        f"find out why (docs/cdc.md), then `mbp cdc resnapshot --table {table.table}` writes what differs"
        if not waiting
        else "see `mbp cdc replay --list`, fix the cause, then `mbp cdc replay`"
    )
    only_hashes = [difference for difference in table.differences if difference.keys is None]
    for difference in table.differences:
        if difference.keys is None:
            continue
        counts = Counter(difference.keys.values())
        what = ", ".join(
            f"{counts[kind]:,} {words}" for kind, words in KINDS.items() if counts[kind]
        )
        named = ", ".join(mask(key) for key in list(difference.keys)[:SAMPLE])
        bounds = (
            "the smallest" if difference.first is None else mask(difference.first),
            "the largest" if difference.end is None else f"before {mask(difference.end)}",
        )
        yield Finding(
            "cdc_differs",
            f"range {difference.number} of {table.ranges} (keys from {bounds[0]} to {bounds[1]}):"
            f" rows {what}; keys {named}{waiting}",
            subject=table.table,
            fix=fix,
        )
    if only_hashes:
        numbers = ", ".join(str(difference.number) for difference in only_hashes[:SHOWN])
        more = ", ..." if len(only_hashes) > SHOWN else ""
        yield Finding(
            "cdc_differs",
            f"{len(only_hashes):,} more of {table.ranges} ranges of keys differ: {numbers}{more}{waiting}",
            subject=table.table,
            fix=fix,
        )


def summary(table: ComparedTable) -> dict[str, Any]:
    """What the JSON form says of a table."""
    return {
        "table": table.table,
        "source_rows": table.source_rows,
        "warehouse_rows": table.warehouse_rows,
        "changing": table.moving,
        "ranges": table.ranges,
        "differing_ranges": len(table.differences),
        "dead_letters": table.letters,
        "problem": table.problem or None,
    }


def text(tables: Sequence[ComparedTable]) -> str:
    """A line per table."""
    lines = [
        f"{'table':<18}{'source':>14}{'warehouse':>14}{'changing':>10}{'ranges':>9}{'differ':>9}"
    ]
    lines += [
        f"{table.table:<18}{table.source_rows:>14,}{table.warehouse_rows:>14,}{table.moving:>10,}"
        f"{table.ranges:>9,}{len(table.differences):>9,}"
        for table in tables
        if not table.problem
    ]
    return "\n".join(lines)
