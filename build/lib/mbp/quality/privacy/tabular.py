"""Files of tables: SQLite, DuckDB, Parquet, Arrow, ORC and the sheets of a workbook, row by row."""

from __future__ import annotations

import html
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from mbp.quality.privacy.scanned_parts import (
    ROWS_PER_PART,
    Budget,
    Refused,
    ScannedPart,
    table_part,
)
from mbp.warehouse.connection import quote_identifier

SQLITE = b"SQLite format 3\0"
PARQUET, ARROW, ORC = b"PAR1", b"ARROW1", b"ORC"
DUCKDB_AT, DUCKDB = 8, b"DUCK"
Blob = tuple[str, bytes]
Piece = ScannedPart | Blob
# Opened without the network, without extensions and without other files.
CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "threads": "1",
}
# Of the XML of a workbook only rows, cells and strings are read: no parser, no entities.
SHARED = re.compile(r"<(?:\w+:)?si>.*?</(?:\w+:)?si>|<(?:\w+:)?si/>", re.DOTALL)
ROW = re.compile(r"<(?:\w+:)?row\b.*?</(?:\w+:)?row>", re.DOTALL)
CELL = re.compile(r"<(?:\w+:)?c\b([^<>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
VALUE = re.compile(r"<(?:\w+:)?(?:v|is)\b[^<>]*>.*?</(?:\w+:)?(?:v|is)>", re.DOTALL)
TAG = re.compile(r"<[^<>]{1,5000}>")
CELL_PLACE = re.compile(r'\br="([A-Z]{1,3})\d+"')
LARGEST_COLUMN = 16_384


def reader(data: bytes) -> Callable[[bytes, str, Budget], Iterator[Piece]] | None:
    """What reads this kind of file; None when it is not a kind of table."""
    if data.startswith(SQLITE):
        return sqlite_tables
    if data[DUCKDB_AT : DUCKDB_AT + len(DUCKDB)] == DUCKDB:
        return duckdb_tables
    if data.startswith(PARQUET) and data.endswith(PARQUET):
        return parquet_rows
    if data.startswith(ARROW):
        return arrow_rows
    return orc_rows if data.startswith(ORC) and data.rstrip(b"\0")[-4:-1] == ORC else None


def sqlite_tables(data: bytes, place: str, budget: Budget) -> Iterator[Piece]:
    """Every table of a SQLite file, and the SQL of what it defines.

    Raises:
        Refused: the file is damaged or encrypted.
    """
    # Versions 2 in the header mean write-ahead logging, which a database in memory cannot have.
    data = data[:18] + b"\x01\x01" + data[20:]
    connection = sqlite3.connect(":memory:")
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    try:
        connection.deserialize(data)
        connection.execute("pragma trusted_schema = off")
        defined = connection.execute("select type, name, sql from sqlite_master").fetchall()
        yield _defined(place, (f"{name} {sql or ''}" for _, name, sql in defined), budget)
        for kind, name, _ in defined:
            if kind == "table":
                rows = connection.execute(f"select * from {quote_identifier(name)}")
                columns = [column[0] for column in rows.description]
                yield from _rows(f"{place}!{name}", columns, rows, budget)
    except (sqlite3.Error, OverflowError, ValueError) as error:
        raise Refused(f"SQLite cannot read it ({type(error).__name__})") from None
    finally:
        connection.close()


def duckdb_tables(data: bytes, place: str, budget: Budget) -> Iterator[Piece]:
    """Every table of a DuckDB file, and the SQL of its views and macros.

    Raises:
        Refused: the file is damaged, encrypted or of another version.
    """
    with tempfile.TemporaryDirectory(prefix="mbp_privacy_") as folder:
        path = Path(folder) / "file.duckdb"
        path.write_bytes(data)
        try:
            with duckdb.connect(str(path), read_only=True, config=CLOSED) as connection:
                views = connection.execute(
                    "select view_name, sql, comment from duckdb_views() where not internal"
                    " union all select function_name, macro_definition, comment from duckdb_functions()"
                    " where not internal"
                    " union all select table_name, sql, comment from duckdb_tables() where not internal"
                ).fetchall()
                yield _defined(place, (" ".join(map(_text, view)) for view in views), budget)
                tables = connection.execute(
                    "select schema_name, table_name from duckdb_tables() where not internal"
                    " order by all"
                ).fetchall()
                for schema, name in tables:
                    rows = connection.execute(
                        f"select * from {quote_identifier(schema)}.{quote_identifier(name)}"
                    )
                    columns = [column[0] for column in rows.description]
                    yield from _rows(
                        f"{place}!{schema}.{name}", columns, iter(rows.fetchone, None), budget
                    )
        except duckdb.Error as error:
            raise Refused(f"DuckDB cannot read it ({type(error).__name__})") from None


def parquet_rows(data: bytes, place: str, budget: Budget) -> Iterator[Piece]:
    """The rows of a Parquet file, and its metadata.

    Raises:
        Refused: the file is damaged or encrypted.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def batches() -> Iterator[Any]:
        file = pq.ParquetFile(pa.BufferReader(data))
        yield {**(file.metadata.metadata or {}), b"created_by": str(file.metadata.created_by)}
        yield file.schema_arrow.names
        yield from file.iter_batches(batch_size=ROWS_PER_PART)

    yield from _arrow(batches(), place, budget)


def arrow_rows(data: bytes, place: str, budget: Budget) -> Iterator[Piece]:
    """The rows of an Arrow (Feather) file, and its metadata.

    Raises:
        Refused: the file is damaged.
    """
    import pyarrow as pa

    def batches() -> Iterator[Any]:
        file = pa.ipc.open_file(pa.BufferReader(data))
        yield file.schema.metadata or {}
        yield file.schema.names
        yield from (file.get_batch(index) for index in range(file.num_record_batches))

    yield from _arrow(batches(), place, budget)


def orc_rows(data: bytes, place: str, budget: Budget) -> Iterator[Piece]:
    """The rows of an ORC file.

    Raises:
        Refused: the file is damaged.
    """
    import pyarrow as pa
    from pyarrow import orc

    def batches() -> Iterator[Any]:
        file = orc.ORCFile(pa.BufferReader(data))
        yield file.schema.metadata or {}
        yield file.schema.names
        yield from (file.read_stripe(index) for index in range(file.nstripes))

    yield from _arrow(batches(), place, budget)


def workbook_sheets(archive: zipfile.ZipFile, place: str, budget: Budget) -> Iterator[ScannedPart]:
    """The sheets of an .xlsx file as rows; the first row counts as the names of the columns.

    Raises:
        Refused: a cell names a string or a column that does not exist.
    """
    names = archive.namelist()
    shared: list[str] = []
    if "xl/sharedStrings.xml" in names:
        text = archive.read("xl/sharedStrings.xml").decode("utf-8", "replace")
        shared = [_bare(matched[0]) for matched in SHARED.finditer(text)]
    for name in names:
        if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", name):
            continue
        text = archive.read(name).decode("utf-8", "replace")
        try:
            rows = [_sheet_row(row[0], shared) for row in ROW.finditer(text)]
        except (ValueError, IndexError) as error:
            raise Refused(f"its sheets cannot be read ({type(error).__name__})") from None
        if rows:
            width = max(map(len, rows))
            filled = [row + [""] * (width - len(row)) for row in rows]
            part = table_part(f"{place}!{name}", filled[0], filled[1:])
            budget.spend(len(part.text))
            yield part


def _sheet_row(row: str, shared: Sequence[str]) -> list[str]:
    cells: list[str] = []
    for attributes, inside in CELL.findall(row):
        place = CELL_PLACE.search(attributes)
        if place:
            column = 0
            for letter in place[1]:
                column = column * 26 + ord(letter) - 64
            if column > LARGEST_COLUMN:
                raise ValueError("no such column")
            cells += [""] * (column - 1 - len(cells))
        text = "".join(_bare(value) for value in VALUE.findall(inside))
        cells.append(shared[int(text)] if text and 't="s"' in attributes else text)
    return cells


def _bare(xml: str) -> str:
    return html.unescape(TAG.sub("", xml))


def _arrow(batches: Iterator[Any], place: str, budget: Budget) -> Iterator[Piece]:
    try:
        metadata = next(batches)
        yield _defined(
            place, (f"{_text(key)}={_text(value)}" for key, value in metadata.items()), budget
        )
        names = next(batches)
        for number, batch in enumerate(batches):
            columns = [column.to_pylist() for column in batch.columns]
            rows = zip(*columns, strict=True) if columns else iter(())
            yield from _rows(f"{place}!batch {number + 1}", names, rows, budget)
    except (OSError, ValueError, KeyError, NotImplementedError, OverflowError) as error:
        # pyarrow's own errors are kinds of these.
        raise Refused(f"pyarrow cannot read it ({type(error).__name__})") from None


def _rows(
    place: str, names: Sequence[str], rows: Iterable[Sequence[Any]], budget: Budget
) -> Iterator[Piece]:
    source = iter(rows)
    first = 1
    while True:
        chunk = list(islice(source, ROWS_PER_PART))
        if not chunk and first > 1:
            return
        where = place if first == 1 else f"{place} from row {first}"
        part = table_part(where, names, ([_text(cell) for cell in row] for row in chunk))
        budget.spend(len(part.text))
        yield part
        for number, row in enumerate(chunk, first):
            for name, cell in zip(names, row, strict=False):
                if isinstance(cell, bytes) and cell:
                    yield f"{place}!row {number} {name}", cell
        first += len(chunk)
        if len(chunk) < ROWS_PER_PART:
            return


def _defined(place: str, texts: Iterable[str], budget: Budget) -> ScannedPart:
    text = "\n".join(texts)
    budget.spend(len(text))
    return ScannedPart(place, text)


def _text(cell: Any) -> str:
    """A cell as text; the bytes of a blob are read as a separate file."""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace") if len(cell) <= 4096 and b"\0" not in cell else ""  # noqa: PLR2004
    return "" if cell is None else str(cell)
