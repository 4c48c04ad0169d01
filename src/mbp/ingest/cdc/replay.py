"""`mbp cdc replay`: dead letters, tried again; after a fix they become the rows that they should have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.capture_control import PARKED, Event
from mbp.ingest.cdc.commit_order import SourcePlace
from mbp.ingest.cdc.debezium_records import ROW_OPERATIONS, Converter, read_json
from mbp.ingest.cdc.debezium_values import RefusedRecordError
from mbp.ingest.cdc.exact import fitting, misfit
from mbp.ingest.cdc.intake import UNKNOWN_TABLE, UNORDERED, Intake
from mbp.ingest.cdc.letters import Letter
from mbp.ingest.cdc.market_source import SLOT, source_of_environment
from mbp.ingest.cdc.pgoutput import RowChange, Truncate, decode
from mbp.ingest.cdc.sink import OPERATION, Sink
from mbp.ingest.cdc.source_tables import Columns
from mbp.ingest.cdc.watch_source import lock_source
from mbp.ingest.raw_tables import raw_tables

PART = 20_000
SHOWN = 20


@dataclass(frozen=True)
class Replayed:
    """What came of the letters of one table.

    Attributes:
        delivered: changes that are in the log now.
        left: letters that still do not fit.
        why: the reason of the first of those; for a table that is stopped, why it is.
        resumed: the table was stopped and goes on.
    """

    table: str
    delivered: int
    left: int
    why: str
    resumed: bool


def replay(
    sink: Sink, columns: Columns, table: str, *, stopped: bool, parked_only: bool = False
) -> Replayed:
    """Tries every letter of a table; commits nothing by itself.

    The changes of a table that is stopped are taken up in their order, all or none: a log with gaps would show states
    that never were. Others are tried one by one.

    Args:
        stopped: the table is stopped.
        parked_only: leave letters about single values alone.

    Raises:
        MbpError: a letter cannot be read.
    """
    if stopped and (refused := _needs_copy(sink, table)):
        return refused
    delivered, left, why, parked_left = 0, 0, "", 0
    after = (-1, "")
    first_delivered: int | None = None
    while letters := sink.control().letters(table, after, PART):
        after = (letters[-1].position, letters[-1].id)
        done: list[Letter] = []
        unfit: list[Letter] = []
        rows: list[list[str | None]] = []
        for letter in letters:
            if parked_only and letter.kind != PARKED:
                continue
            try:
                changed = _rows(letter, columns[table])
            except MbpError as error:
                left += 1
                parked_left += letter.kind == PARKED
                why = why or f"{table} at {letter.position}: {error.what}"
                continue
            wrong = _misfit(changed or [], columns[table])
            if wrong and not _is_superseded(sink, letter, changed or []):
                left += 1
                why = why or f"{table} at {letter.position}: {wrong}"
                if letter.kind == PARKED:
                    # One value does not keep its table from going on.
                    unfit.append(replace(letter, kind="value", reason=wrong))
                continue
            done.append(letter)
            if changed is not None:
                rows += [] if wrong else _without_known(sink, letter, changed)
                continue
            _write(sink, table, rows)
            rows = []
            sink.truncate(f"mbp.{table}", letter.position, letter.committed_at_milliseconds or 0)
        if stopped and parked_left:
            break
        _write(sink, table, rows)
        sink.control().delivered([*done, *unfit])
        sink.quarantine(unfit)
        delivered += len(done)
        if done and first_delivered is None:
            first_delivered = done[0].position
    if stopped and parked_left:
        return Replayed(table, 0, left, why, resumed=False)
    if first_delivered is not None:
        # What was emptied after a change that is delivered late must not come back with it.
        for position, milliseconds in sink.control().truncated(table, first_delivered):
            sink.truncate(f"mbp.{table}", position, milliseconds)
        message = f"{delivered} changes"
        sink.control().happened(Event("replayed", table, first_delivered, message))
    if stopped:
        sink.control().resume(table)
        sink.control().happened(Event("resumed", table, after[0], f"{delivered} changes"))
    return Replayed(table, delivered, left, why, resumed=stopped)


def _needs_copy(sink: Sink, table: str) -> Replayed | None:
    _, reason = sink.control().stopped().get(table, (0, ""))
    if not reason.endswith(change_shape.NEEDS_COPY):
        return None
    left = sink.control().letter_counts().get(table, 0)
    return Replayed(table, 0, left, reason, resumed=False)


def _write(sink: Sink, table: str, rows: Sequence[list[str | None]]) -> None:
    at = change_shape.arrival()
    sink.write(f"mbp.{table}", [[*row, at] for row in rows])


def _rows(letter: Letter, columns: Sequence[tuple[str, str]]) -> list[list[str | None]] | None:
    """The rows without their arrival; None: the table was emptied.

    Raises:
        MbpError: there are none: the shape that they were sent in does not fit.
    """
    rows: list[list[str | None]]
    if letter.relation is None:
        import json

        rows = [json.loads(letter.payload)[:-1]]
    else:
        message = decode(letter.payload)
        if isinstance(message, Truncate):
            return None
        if not isinstance(message, RowChange):
            raise MbpError("is not a change", fix="`mbp cdc resnapshot` copies the table again")
        change_shape.demand_fit(letter.relation, columns)
        places = change_shape.places_of(letter.relation, columns)
        milliseconds = str(letter.committed_at_milliseconds or 0)
        message = change_shape.trimmed(message, change_shape.padded_of(letter.relation))
        rows = change_shape.rows_of(message, places, milliseconds, letter.position)  # type: ignore[assignment]
    return [fitting(row, columns) if row[len(columns)] == "d" else row for row in rows]


def _misfit(rows: Sequence[list[str | None]], columns: Sequence[tuple[str, str]]) -> str | None:
    reasons = (misfit(row[: len(columns)], columns) for row in rows)
    return next((reason for reason in reasons if reason), None)


def _without_known(
    sink: Sink, letter: Letter, rows: list[list[str | None]]
) -> list[list[str | None]]:
    """A delete may be in the log already: without the values that do not fit, or as that of an old key."""
    # The rows have no arrival yet.
    deletes = rows[0][OPERATION + 1] == "d" and letter.kind != PARKED
    known = deletes and sink.has(f"mbp.{letter.table}", letter.position, rows[0][0])
    return rows[1:] if known else rows


def _is_superseded(sink: Sink, letter: Letter, rows: Sequence[list[str | None]]) -> bool:
    """Its row was fixed at the source: the log has later changes of it, so the letter is no longer needed."""
    log = f"mbp.{letter.table}"
    return all(sink.has_later(log, letter.position, row[0]) for row in rows)


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


def replay_records(root: Path, target: str, slot: str) -> tuple[list[str], int]:
    """Tries every letter of a reader one by one; a line per table that has some, and how many are left.

    Args:
        slot: `landing.SLOT`.

    Raises:
        MbpError: no warehouse, or a letter cannot be read.
    """
    tables = raw_tables(root)
    columns = change_shape.by_name(tables)
    sink, converter = Sink(root, target, slot, tables), Converter(columns)
    lines, total = [], 0
    try:
        place = sink.place()
        for table in (*columns, UNKNOWN_TABLE):
            intake, delivered, left, why = Intake(sink, columns), [], 0, ""
            for letter in sink.control().letters(table):
                hint = None if table == UNKNOWN_TABLE else table
                try:
                    change = converter.change(read_json(letter.payload.decode()), hint)
                    if change.kind in ROW_OPERATIONS:
                        own, log = columns[change.table], f"mbp.{change.table}"
                        wrong = misfit(change.row[: len(own)], own)  # type: ignore[arg-type]
                        if change.kind == "d":
                            wrong = None
                        if wrong and sink.has_later(log, change.position, str(change.row[0])):
                            # Its row was fixed at the source: the log has a later change of it.
                            delivered.append(letter)
                            continue
                        if wrong:
                            raise RefusedRecordError(wrong)
                except (RefusedRecordError, MbpError, ValueError) as error:
                    left += 1
                    why = why or getattr(error, "what", str(error))
                    continue
                intake.take(change, letter.payload)
                delivered.append(letter)
            sink.control().delivered(delivered)
            # After that: what is refused again becomes a letter again.
            intake.flush()
            refused = intake.counts.refused
            left += refused
            why = why or (UNORDERED if refused else "")
            sink.commit(place and SourcePlace(max(place.lsn, intake.position)))
            if delivered or left:
                message = f" ({why})" if why else ""
                count = len(delivered) - refused
                lines.append(f"{table}: {count:,} delivered, {left:,} left{message}")
            total += left
    finally:
        sink.close()
    return lines, total
