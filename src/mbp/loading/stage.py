"""Reads one outside file into typed rows and rejects, inside an in-memory DuckDB."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from mbp.contracts import Column, Contract
from mbp.errors import MbpError
from mbp.loading.mapping import TableMapping
from mbp.warehouse import quote_identifier

DECIMAL_SCALE = 8
ISO_8601 = (
    r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}([.]\d{1,9})?)?( ?(Z|UTC|[+-]\d{2}(:?\d{2})?))?)?"
)
EMPTY_FILE_CURE = "give a file with rows"


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
                cure=f"its columns are {', '.join(theirs)}",
            )
    texts = f"texts_{mapping.table}"
    expressions = ", ".join(
        f"{_text_of(column, mapping)} as {quote_identifier(column.name)}"
        for column in contract.columns
    )
    used = sorted(set(_wanted(mapping).values()))
    original = ", ".join(f"{_literal(name)}, {quote_identifier(name)}" for name in used)
    connection.execute(
        f"create temp table {texts} as select row_number() over () as source_row,"
        f" json_object({original}) as original, {expressions} from {source}"
    )
    read = _count(connection, texts)
    if read == 0:
        raise MbpError("no rows: nothing to load", path=mapping.file, cure=EMPTY_FILE_CURE)
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
    path = (folder / mapping.file).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise MbpError(
            f"{mapping.file} leads out of the folder", path=mapping_path, line=mapping.line
        )
    if not path.is_file():
        raise MbpError(
            f"{mapping.file} is not in the folder",
            path=mapping_path,
            line=mapping.line,
            cure="check the folder and the key `file`",
        )
    view = f"source_{mapping.table}"
    name = _literal(str(path))
    reader = f"read_parquet({name})" if path.suffix == ".parquet" else _csv_reader(path, mapping)
    try:
        # A table: every line is read and judged here, not later and elsewhere.
        connection.execute(f"create temp table {view} as select * from {reader}")
    except duckdb.Error as error:
        raise _unreadable(error, mapping.file) from error
    return view


def _csv_reader(path: Path, mapping: TableMapping) -> str:
    """Nothing is guessed: a guessed delimiter turns a ragged line into a file of one column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            header = next(csv.reader(lines, delimiter=mapping.delimiter, strict=True), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MbpError(f"cannot be read: {error}", path=mapping.file, line=1) from error
    if not header:
        raise MbpError("no rows: nothing to load", path=mapping.file, cure=EMPTY_FILE_CURE)
    if "" in header or len(set(header)) != len(header):
        raise MbpError(
            "expected a header with a different name for every column",
            path=mapping.file,
            line=1,
            cure="name the columns, or name the `delimiter` of the file in the mapping",
        )
    columns = ", ".join(f"{_literal(name)}: 'VARCHAR'" for name in header)
    return (
        f"read_csv({_literal(str(path))}, auto_detect = false, header = true, strict_mode = true,"
        f" delim = {_literal(mapping.delimiter)}, quote = '\"', escape = '\"',"
        f" columns = {{{columns}}})"
    )


def _unreadable(error: duckdb.Error, file: str) -> MbpError:
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    columns = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if line and columns:
        # The reader stops counting at the first field too many.
        found = columns[2] if int(columns[2]) < int(columns[1]) else "more"
        return MbpError(
            f"expected {columns[1]} fields as in the header, found {found}",
            path=file,
            line=int(line[1]),
            cure="correct the line, or name the `delimiter` of the file in the mapping",
        )
    reason = next((part for part in text.splitlines() if part.strip()), "unknown")
    return MbpError(
        f"cannot be read: {reason}",
        path=file,
        line=int(line[1]) if line else None,
        cure="give a CSV file with one header line, or Parquet",
    )


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
        # Words like infinity, epoch or now, and years before Christ, are instants to the engines too.
        return f"case when regexp_full_match({name}, '{ISO_8601}') then try_cast({name} as timestamptz) end"
    return name


def _judge(
    connection: duckdb.DuckDBPyConnection, mapping: TableMapping, contract: Contract, texts: str
) -> None:
    """Splits the rows: the first reason against a row, in the order of the columns, rejects it."""
    reasons = []
    for column in contract.columns:
        name = quote_identifier(column.name)
        if column.required:
            reasons.append(f"when {name} is null then '{column.name}: null in a required column'")
        kind = {"number": "a number within its range", "timestamp": "a timestamp"}.get(
            column.logical_type
        )
        if kind:
            reasons.append(
                f"when {name} is not null and {_typed(column)} is null"
                f" then '{column.name}: not {kind}: ' || {name}"
            )
    key = quote_identifier(contract.key.name)
    typed = ", ".join(
        f"{_typed(column)} as {quote_identifier(column.name)}" for column in contract.columns
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
    found = {}
    for column in contract.columns:
        if column.logical_type == "number" and column.name in mapping.columns:
            name = quote_identifier(column.name)
            exact = f"try_cast({name} as decimal(38, 18))"
            rows = _count(connection, f"{texts} where {exact} <> {_typed(column)}")
            if rows:
                found[column.name] = rows
    return found


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"select count(*) from {relation}").fetchone()
    return int(row[0]) if row else 0
