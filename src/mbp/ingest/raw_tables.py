"""The raw tables by name, for `mbp db init`, `mbp load` and proofs; and what change data capture keeps beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mbp.contracts import load_contracts
from mbp.contracts.raw_columns import change_logs, telemetry

# What change data capture keeps for itself beside the logs; it moves in the transaction of the rows it speaks of.
CDC_POSITIONS = "raw_mbp._cdc_position"
CDC_EPOCHS = "raw_mbp._cdc_epochs"
CDC_STREAMS = "raw_mbp._cdc_streams"
CDC_DEAD_LETTERS = "raw_mbp._cdc_dead_letters"
CDC_EVENTS = "raw_mbp._cdc_events"
CDC_READERS = "raw_mbp._cdc_readers"
CDC_TABLES = "raw_mbp._cdc_tables"
CDC_LANDED = "raw_mbp._cdc_landed"
# Columns of a control table, and whether its rows are replaced (the loader's role may then delete them).
CDC_CONTROL_TABLES: dict[str, tuple[Sequence[tuple[str, str]], bool]] = {
    # How far each slot (or other reader) has been applied.
    CDC_POSITIONS: (
        (("slot", "text"), ("position", "bigint"), ("recorded_at", "timestamptz")),
        True,
    ),
    # Beside the position: of which server it is, and the highest `__source_lsn` so far.
    CDC_EPOCHS: (
        (
            ("slot", "text"),
            ("last_number", "bigint"),
            ("system_identifier", "text"),
            ("timeline", "bigint"),
            ("recorded_at", "timestamptz"),
        ),
        True,
    ),
    # A table whose stream is stopped, and the position that it is kept at; no row: it streams.
    CDC_STREAMS: (
        (
            ("slot", "text"),
            ("table_name", "text"),
            ("position", "bigint"),
            ("reason", "text"),
            ("stopped_at", "timestamptz"),
        ),
        True,
    ),
    # Changes that are not in the logs yet: kind `value` could not be cast, `message` not be decoded, `parked`
    # waits for its table's stream. `relation` is the shape (JSON) in which `payload` (hexadecimal) was sent.
    CDC_DEAD_LETTERS: (
        (
            ("letter_id", "text"),
            ("slot", "text"),
            ("table_name", "text"),
            ("position", "bigint"),
            ("committed_at", "timestamptz"),
            ("kind", "text"),
            ("reason", "text"),
            ("relation", "text"),
            ("payload", "text"),
            ("quarantined_at", "timestamptz"),
        ),
        True,
    ),
    # What happened beside rows: snapshot, truncate, drift, stopped, resumed, replayed, reconciled, moved
    # (its detail is the LSN of a change that `__source_lsn` puts later, and its key).
    CDC_EVENTS: (
        (
            ("slot", "text"),
            ("kind", "text"),
            ("table_name", "text"),
            ("position", "bigint"),
            ("detail", "text"),
            ("recorded_at", "timestamptz"),
        ),
        False,
    ),
    # One row per running reader: difference of the clocks (positive: the source is ahead) and what the slot retains.
    CDC_READERS: (
        (
            ("slot", "text"),
            ("source_skew_seconds", "double precision"),
            ("skew_error_seconds", "double precision"),
            ("retained_bytes", "bigint"),
            ("retained_limit_bytes", "bigint"),
            ("recorded_at", "timestamptz"),
        ),
        True,
    ),
    # The table at the source that each log follows, as the catalog had it last (JSON).
    CDC_TABLES: (
        (
            ("slot", "text"),
            ("table_name", "text"),
            ("source_table", "text"),
            ("recorded_at", "timestamptz"),
        ),
        True,
    ),
    # Files of another pipeline that were taken in.
    CDC_LANDED: (
        (
            ("slot", "text"),
            ("file_name", "text"),
            ("sha256", "text"),
            ("changes", "bigint"),
            ("repeated", "bigint"),
            ("landed_at", "timestamptz"),
        ),
        False,
    ),
}

# What `mbp load` keeps: its loads, the rows that it rejected, and what the sources do not have.
LOADS = "raw_mbp._loads"
LOAD_REJECTS = "raw_mbp._load_rejects"
SOURCE_FACTS = "raw_mbp._source_facts"
LOAD_CONTROL_TABLES: dict[str, tuple[Sequence[tuple[str, str]], bool]] = {
    LOADS: (
        (
            ("load_id", "bigint"),
            ("source", "text"),
            ("dataset", "text"),
            ("loaded_at", "timestamptz"),
            ("files", "text"),
            ("digest", "text"),
            ("read", "bigint"),
            ("loaded", "bigint"),
            ("unchanged", "bigint"),
            ("superseded", "bigint"),
            ("rejected", "bigint"),
            ("max_rejects", "bigint"),
        ),
        True,
    ),
    LOAD_REJECTS: (
        (
            ("load_id", "bigint"),
            ("source", "text"),
            ("dataset", "text"),
            ("file", "text"),
            ("source_row", "bigint"),
            ("column_name", "text"),
            ("reason", "text"),
        ),
        True,
    ),
    SOURCE_FACTS: (
        (
            ("source", "text"),
            ("dataset", "text"),
            ("column_name", "text"),
            ("rule_id", "text"),
            ("reason", "text"),
        ),
        True,
    ),
}


def control_statements() -> list[str]:
    """DDL of what `mbp load` keeps beside the logs."""
    places = ((name.split("."), columns) for name, (columns, _) in LOAD_CONTROL_TABLES.items())
    return [create_statement(schema, table, columns) for (schema, table), columns in places]


def raw_tables(root: Path) -> dict[str, list[tuple[str, str]]]:
    """Raw table ('mbp.quotes', 'ops.otel_spans') -> its columns and types, in order.

    Raises:
        MbpError: the contracts cannot be read.
    """
    families = {"mbp": change_logs(load_contracts(root)), "ops": telemetry(root)}
    return {
        f"{family}.{table.name}": [(column.name, column.type) for column in table.columns]
        for family, tables in families.items()
        for table in tables
    }


def create_statement(schema: str, table: str, columns: Sequence[tuple[str, str]]) -> str:
    """DDL of one raw table; every column may be null, because a log takes what comes."""
    inner = ", ".join(f'"{name}" {data_type}' for name, data_type in columns)
    return f'create table if not exists "{schema}"."{table}" ({inner})'
