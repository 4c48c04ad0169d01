"""Names, columns and types of the raw tables that a simulation writes: those of the contracts beside it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from mbp.contracts import load_contracts, raw_columns
from mbp.core.errors import MbpError
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
CONTRACTS = {contract.dataset: contract for contract in load_contracts(PROJECT)}
# Dataset -> raw table, of those that have a change log.
LOGS: dict[str, str] = {
    contract.dataset: log.raw for contract, log in raw_columns.logged(CONTRACTS.values())
}
KEYS: dict[str, str] = {table: CONTRACTS[dataset].key.name for dataset, table in LOGS.items()}
# Dataset -> columns that only its model has.
DERIVED: dict[str, frozenset[str]] = {
    dataset: frozenset(column.name for column in contract.columns if column.derived)
    for dataset, contract in CONTRACTS.items()
}
# Raw table -> column -> the raw table that its values must be found in.
REFERENCES: dict[str, dict[str, str]] = {
    table: {
        column.name: LOGS[column.reference.dataset]
        for column in CONTRACTS[dataset].logged_columns
        if column.reference and column.reference.dataset in LOGS
    }
    for dataset, table in LOGS.items()
}
TABLES: tuple[str, ...] = tuple(SCHEMAS)


def seed_name(table: str) -> str:
    """Name of the dbt seed of a raw table: `mbp.quotes` is `raw_mbp__quotes`."""
    family, _, name = table.partition(".")
    return f"raw_{family}__{name}"


def table_of_dataset(dataset: str) -> str:
    """Raw table of a public dataset that has a change log: `mbp_quotes` is `mbp.quotes`."""
    return LOGS[dataset]


def committed_rows(table: str) -> pa.Table:
    """The rows of the committed sample, of a table that the simulator has no code for.

    Raises:
        MbpError: they are missing, or of other columns or types.
    """
    path = Path("seeds") / "sample" / f"{seed_name(table)}.csv"
    options = csv.ConvertOptions(
        column_types=SCHEMAS[table], strings_can_be_null=True, include_columns=SCHEMAS[table].names
    )
    try:
        return csv.read_csv(PROJECT / path, convert_options=options)
    except (FileNotFoundError, KeyError, pa.ArrowInvalid) as error:
        raise MbpError(
            f"the simulator does not make {table}, and its committed rows cannot be read: {error}",
            path=path,
            fix="write the rows by hand, or simulate the table in lab/simulate",
        ) from error
