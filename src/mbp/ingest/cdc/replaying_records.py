"""`mbp cdc replay --reader landing`: dead letters that hold a record of Debezium, tried again."""

from __future__ import annotations

from pathlib import Path

from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.commit_order import SourcePlace
from mbp.ingest.cdc.debezium_records import ROW_OPERATIONS, Converter, read_json
from mbp.ingest.cdc.debezium_values import RefusedRecordError
from mbp.ingest.cdc.exact import misfit
from mbp.ingest.cdc.intake import UNKNOWN_TABLE, UNORDERED, Intake
from mbp.ingest.cdc.sink import Sink
from mbp.ingest.raw_tables import raw_tables


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
