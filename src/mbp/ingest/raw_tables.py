"""The raw tables by name, for `mbp db init`, `mbp load` and proofs; and what change data capture keeps beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from mbp.contracts import load_contracts
from mbp.contracts.raw_columns import change_logs, telemetry

CDC_POSITIONS = "raw_mbp._cdc_position"
CDC_EPOCHS = "raw_mbp._cdc_epochs"
CDC_STREAMS = "raw_mbp._cdc_streams"
CDC_DEAD_LETTERS = "raw_mbp._cdc_dead_letters"
CDC_EVENTS = "raw_mbp._cdc_events"
CDC_READERS = "raw_mbp._cdc_readers"
CDC_TABLES = "raw_mbp._cdc_tables"
CDC_LANDED = "raw_mbp._cdc_landed"
LOADS = "raw_mbp._loads"
LOAD_REJECTS = "raw_mbp._load_rejects"
SOURCE_FACTS = "raw_mbp._source_facts"
# Columns of a control table, and whether its rows are replaced.
ControlTables = dict[str, tuple[Sequence[tuple[str, str]], bool]]


def _control_tables(keeper: str) -> ControlTables:
    text = Path(__file__).with_name("control_tables.yaml").read_text(encoding="utf-8")
    return {
        f"raw_mbp.{name}": (tuple(table["columns"].items()), not table.get("append_only"))
        for name, table in yaml.safe_load(text)[keeper].items()
    }


CDC_CONTROL_TABLES = _control_tables("cdc")
LOAD_CONTROL_TABLES = _control_tables("load")


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
