"""Names, columns and types of the raw tables that a simulation writes: those of the contracts beside it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from mbp.contracts import load_contracts, raw_columns
from mbp.ingest.raw_tables import raw_tables

# The simulator is code for these contracts, whatever project it writes a sample for.
PROJECT = Path(__file__).resolve().parents[2]
TEXT = pa.string()
INSTANT = pa.timestamp("us", tz="UTC")
AMOUNT = pa.decimal128(18, 8)
MILLISECONDS = pa.decimal128(18, 3)
WHOLE = pa.int64()
FLAG = pa.bool_()


def _arrow(text: str) -> pa.DataType:
    """Arrow's type for the type of a raw column.

    Raises:
        KeyError: a type that the simulator cannot write.
    """
    name, _, arguments = text.rstrip(")").partition("(")
    if name == "decimal":
        return pa.decimal128(*(int(part) for part in arguments.split(",")))
    return {"text": TEXT, "bigint": WHOLE, "boolean": FLAG, "timestamptz": INSTANT}[name]


CHANGE_LOG = [(column.name, _arrow(column.type)) for column in raw_columns.CHANGE_LOG]
SCHEMAS: dict[str, pa.Schema] = {
    name: pa.schema([(column, _arrow(text)) for column, text in columns])
    for name, columns in raw_tables(PROJECT).items()
}
KEYS: dict[str, str] = {
    f"mbp.{raw_columns.short_name(contract)}": contract.key.name
    for contract in load_contracts(PROJECT)
}
TABLES: tuple[str, ...] = tuple(SCHEMAS)


def seed_name(table: str) -> str:
    """Name of the dbt seed of a raw table: `mbp.quotes` is `raw_mbp__quotes`."""
    family, _, name = table.partition(".")
    return f"raw_{family}__{name}"


def table_of_dataset(dataset: str) -> str:
    """Raw table of a public dataset: `mbp_quotes` is `mbp.quotes`."""
    return dataset.replace("_", ".", 1)
