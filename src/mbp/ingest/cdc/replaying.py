"""`mbp cdc replay`: what is in quarantine, and another try."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.market_source import SLOT, source_of_environment
from mbp.ingest.cdc.replay import replay
from mbp.ingest.cdc.sink import Sink
from mbp.ingest.cdc.watch_source import lock_source
from mbp.ingest.raw_tables import raw_tables

SHOWN = 20


def list_letters(root: Path, target: str, tables: Sequence[str]) -> tuple[list[str], int]:
    """A line per letter (the first of each table), without values; and how many there are.

    Raises:
        MbpError: no warehouse, or one that nothing was ever read into.
    """
    sink = Sink(root, target, SLOT, raw_tables(root))
    lines, total = [], 0
    try:
        _demand_begun(sink)
        control = sink.control()
        counts, stopped = control.letter_counts(), control.stopped()
        for table in tables:
            count = counts.get(table, 0)
            total += count
            if table in stopped:
                position, reason = stopped[table]
                lines.append(f"{table} is stopped at {position}: {reason}")
            for letter in control.letters(table, count=SHOWN):
                lines.append(f"{table} at {letter.position}: {letter.kind}: {letter.reason}")
            if count > SHOWN:
                lines.append(f"{table}: and {count - SHOWN:,} more")
    finally:
        sink.close()
    lines.append(f"{total:,} dead letters")
    return lines, total


def replay_tables(root: Path, target: str, tables: Sequence[str]) -> tuple[list[str], int]:
    """Tries the letters of each table in a separate transaction; a line per table, and how many are left.

    Raises:
        MbpError: no warehouse, or a table is stopped and its reader runs.
    """
    columns = change_shape.by_name(raw_tables(root))
    sink = Sink(root, target, SLOT, raw_tables(root))
    lines, total = [], 0
    try:
        _demand_begun(sink)
        for table in tables:
            stopped = table in sink.control().stopped()
            if stopped:
                # Its reader parks what comes meanwhile: two may not move one table.
                with lock_source(source_of_environment(), patient=False):
                    replayed = replay(sink, columns, table, stopped=True)
            else:
                replayed = replay(sink, columns, table, stopped=False)
            if stopped and not replayed.resumed:
                sink.close()
            else:
                sink.commit(None)
            state = "; it goes on" if replayed.resumed else "; it is stopped" if stopped else ""
            why = f" ({replayed.why})" if replayed.why else ""
            lines.append(
                f"{table}: {replayed.delivered:,} delivered, {replayed.left:,} left{why}{state}"
            )
            total += replayed.left or (stopped and not replayed.resumed)
    finally:
        sink.close()
    return lines, total


def _demand_begun(sink: Sink) -> None:
    if sink.place() is None:
        raise MbpError("nothing was ever read from the source", fix="start `mbp cdc run`")
