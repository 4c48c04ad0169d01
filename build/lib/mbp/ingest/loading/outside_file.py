"""Reads one outside file into typed rows and rejects, inside an in-memory DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from mbp.contracts import Column, Contract
from mbp.core.errors import MbpError
from mbp.core.paths import inside
from mbp.ingest.loading.csv_file import QUOTE, read_header
from mbp.ingest.loading.mapping import TableMapping
from mbp.warehouse import quote_identifier

DECIMAL_SCALE = 8
# The engines also read words (infinity, epoch), dates before our era and offsets of days. An offset needs
# the seconds before it: DuckDB reads no other spelling.
INSTANT_SHAPE = (
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?(Z|[+-](0\d|1[0-4])(:?[0-5]\d)?)?)?)?"
)
# In UTC. PostgreSQL and Python know no instant outside of these years as four digits.
FIRST_INSTANT = "timestamptz '0001-01-01 00:00:00+00'"
LAST_INSTANT = "timestamptz '9999-12-31 23:59:59.999999+00'"
EXPECTED = {
    "number": "a number within its range",
    "timestamp": "an ISO 8601 instant such as 2026-01-05T09:00:00Z",
}
EMPTY_FILE_FIX = "give a file with rows"


@dataclass(frozen=True)
class Staged:
    """One table, staged in `connection` as `typed_<table>` (accepted rows) and `rejects_<table>`.

    Attributes:
        read, accepted, rejected: rows.
        rounded: decimals that lost places: column -> rows.
        filled: gaps filled by `when_null`: column -> rows.
    """

    read: int
    accepted: int
    rejected: int
    rounded: dict[str, int]
    filled: dict[str, int]


def stage(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    mapping: TableMapping,
    contract: Contract,
    mapping_path: str,
) -> Staged:
    """Stages one table.

    Raises:
        MbpError: the file or a column of it is missing, or it has no rows.
    """
    source = _read(connection, folder, mapping, mapping_path)
    theirs = [row[0] for row in connection.execute(f"describe {source}").fetchall()]
    for ours, column in _wanted(mapping).items():
        if column not in theirs:
            raise MbpError(
                f"{mapping.file} has no column {column!r}, which {mapping.table}.{ours} names",
                path=mapping_path,
                line=mapping.lines.get(ours),
                fix=f"its columns are {', '.join(theirs)}",
            )
    texts = f"texts_{mapping.table}"
    expressions = ", ".join(
        f"{_text_of(column, mapping)} as {quote_identifier(column.name)}"
        for column in contract.logged_columns
    )
    used = sorted(set(_wanted(mapping).values()))
    original = ", ".join(f"{_literal(name)}, {quote_identifier(name)}" for name in used)
    connection.execute(
        f"create temp table {texts} as select row_number() over () as source_row,"
        f" json_object({original}) as original, {expressions} from {source}"
    )
    read = _count(connection, texts)
    if read == 0:
        raise MbpError("no rows: nothing to load", path=mapping.file, fix=EMPTY_FILE_FIX)
    _judge(connection, mapping, contract, texts)
    accepted = _count(connection, f"typed_{mapping.table}")
    return Staged(
        read=read,
        accepted=accepted,
        rejected=read - accepted,
        rounded=_rounded(connection, mapping, contract, texts),
        filled={
            column: _count(connection, f"{source} where {_theirs(mapping.columns[column])} is null")
            for column in mapping.when_null
            if column in mapping.columns
        },
    )


def _read(
    connection: duckdb.DuckDBPyConnection, folder: Path, mapping: TableMapping, mapping_path: str
) -> str:
    path = inside(folder, mapping.file, path=mapping_path, line=mapping.line)
    if not path.is_file():
        raise MbpError(
            f"{mapping.file} is not in the folder",
            path=mapping_path,
            line=mapping.line,
            fix="check the folder and the key `file`",
        )
    view = f"source_{mapping.table}"
    name = _literal(str(path))
    if path.suffix == ".parquet":
        reader = f"read_parquet({name})"
    else:
        header = read_header(path, mapping.delimiter, mapping.file)
        columns = ", ".join(f"{_literal(column)}: 'varchar'" for column in header)
        reader = (
            f"read_csv({name}, auto_detect = false, header = true, columns = {{{columns}}},"
            f" delim = {_literal(mapping.delimiter)}, quote = '{QUOTE}', escape = '{QUOTE}')"
        )
    try:
        connection.execute(f"create temp view {view} as select * from {reader}")
        connection.execute(f"select count(*) from {view}")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise MbpError(
            f"cannot be read: {reason}",
            path=mapping.file,
            fix="write the file again: CSV with one kind of line end, or Parquet",
        ) from error
    return view


def _wanted(mapping: TableMapping) -> dict[str, str]:
    stand_ins = {ours: theirs for ours, (theirs, _, _) in mapping.absent.items() if theirs}
    return {**mapping.columns, **stand_ins}


def _theirs(column: str) -> str:
    return f"nullif(cast({quote_identifier(column)} as varchar), '')"


def _text_of(column: Column, mapping: TableMapping) -> str:
    name = column.name
    wanted = _wanted(mapping)
    if name in wanted:
        text = _theirs(wanted[name])
        if name in mapping.when_null:
            text = f"coalesce({text}, {_literal(mapping.when_null[name][0])})"
        return text
    value = mapping.constants[name] if name in mapping.constants else mapping.absent[name][1]
    return f"cast({_literal(value)} as varchar)"


def _literal(value: Any) -> str:
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


def _typed(column: Column) -> str:
    name = quote_identifier(column.name)
    if column.logical_type == "number":
        exact = f"try_cast({name} as decimal(38, 18))"
        return f"try_cast(round_even({exact}, {DECIMAL_SCALE}) as {column.physical_type})"
    if column.logical_type == "timestamp":
        instant = f"try_cast({name} as timestamptz)"
        return (
            f"case when regexp_full_match({name}, '{INSTANT_SHAPE}')"
            f" and {instant} between {FIRST_INSTANT} and {LAST_INSTANT} then {instant} end"
        )
    return name


def _judge(
    connection: duckdb.DuckDBPyConnection, mapping: TableMapping, contract: Contract, texts: str
) -> None:
    """Splits the rows: the first reason against a row, in the order of the columns, rejects it."""
    reasons = []
    for column in contract.logged_columns:
        name = quote_identifier(column.name)
        if column.required:
            reasons.append(f"when {name} is null then '{column.name}: null in a required column'")
        kind = EXPECTED.get(column.logical_type)
        if kind:
            reasons.append(
                f"when {name} is not null and {_typed(column)} is null"
                f" then '{column.name}: not {kind}: ' || {name}"
            )
    key = quote_identifier(contract.key.name)
    typed = ", ".join(
        f"{_typed(column)} as {quote_identifier(column.name)}" for column in contract.logged_columns
    )
    connection.execute(
        f"create temp table judged_{mapping.table} as"
        f" with judged as (select *, case {' '.join(reasons)} end as reason from {texts}),"
        f" repeated as (select source_row, first_value(source_row) over"
        f" (partition by {key} order by source_row) as first_row from judged where reason is null)"
        " select judged.* replace (coalesce(judged.reason, case when repeated.first_row <"
        f" judged.source_row then '{contract.key.name}: duplicate key, first in row '"
        " || repeated.first_row end) as reason)"
        " from judged left join repeated using (source_row)"
    )
    connection.execute(
        f"create temp table typed_{mapping.table} as select source_row, {typed}"
        f" from judged_{mapping.table} where reason is null order by source_row"
    )
    connection.execute(
        f"create temp table rejects_{mapping.table} as select '{mapping.table}' as table_name,"
        f" source_row, reason, original from judged_{mapping.table}"
        " where reason is not null order by source_row"
    )


def _rounded(
    connection: duckdb.DuckDBPyConnection, mapping: TableMapping, contract: Contract, texts: str
) -> dict[str, int]:
    kinds = {}
    for column in contract.logged_columns:
        if column.logical_type == "number" and column.name in mapping.columns:
            name = quote_identifier(column.name)
            exact = f"try_cast({name} as decimal(38, 18))"
            rows = _count(connection, f"{texts} where {exact} <> {_typed(column)}")
            if rows:
                kinds[column.name] = rows
    return kinds


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"select count(*) from {relation}").fetchone()
    return int(row[0]) if row else 0
