"""What a reader of files gives the scanner: text, or the reason why it gives no text, within limits.

Files of tables are read here, row by row: DuckDB, as of the warehouse, and Parquet, as of the simulator.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb

from mbp.core.masking import mask
from mbp.core.reporting import Finding
from mbp.quality.privacy.privacy_policy import UNREAD
from mbp.quality.privacy.text_around import CsvTable, Table
from mbp.warehouse.connection import quote_identifier

# A file that unpacks to more than this is not an artifact of this project.
LARGEST_BYTES = 256 * 1024 * 1024
MOST_PARTS = 100_000
DEEPEST = 3
ROWS_PER_PART = 20_000
PARQUET = b"PAR1"
DUCKDB_AT, DUCKDB = 8, b"DUCK"
LONGEST_MASK = 24
LARGEST_TEXT = 4096  # of a blob that is shown as text too
# Opened without the network, without extensions and without other files.
CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "threads": "1",
}


@dataclass(frozen=True)
class ScannedPart:
    """Text of a file, or of something in it.

    Attributes:
        table: the columns, where the text is rows of a table.
        repeats: the text was given before in another form; what was found there is not reported twice.
    """

    place: str
    text: str = field(repr=False)
    table: Table | None = None
    repeats: bool = False


@dataclass(frozen=True)
class SensitiveValue:
    """Something personal or secret, described so that it can be found again but not read.

    Attributes:
        kind: one of `mbp.quality.privacy.privacy_policy.KINDS`, or `unread`.
        what: the kind in words.
        place: a file, or table and column with the mark of the row.
        line, column: 1-based, in a text; 0 where the place has no lines.
        masked: its shape: every letter and digit as `*`; what to do about it, when it was not read.
        digest: equal for equal values; the first 4 hex digits of the SHA-256, too few to guess the value from.
    """

    kind: str
    what: str
    place: str
    line: int
    column: int
    masked: str
    digest: str

    @property
    def finding(self) -> Finding:
        """In the form that every check has; a file that was not read says what to do about it."""
        column = f"column {self.column}: " if self.column else ""
        read = self.kind != UNREAD
        fix, shape = ("", f"{self.masked} ") if read else (self.masked, "")
        message = f"{column}{shape}{self.digest}"
        line = self.line or None
        return Finding(self.kind, self.what, self.place, line, fix=fix, evidence=message)


def described(
    kind: str, what: str, place: str, value: str, line: int = 0, column: int = 0
) -> SensitiveValue:
    """A value that was found."""
    masked = re.sub(r"[^\W_]", "*", value)
    masked = masked if len(masked) <= LONGEST_MASK else f"{masked[:LONGEST_MASK]}…"
    return SensitiveValue(kind, what, place, line, column, masked, mask(value))


class Refused(Exception):  # noqa: N818 (it never leaves the readers of files)
    """A file cannot be read: the reason, and what to do about it."""

    def __init__(self, why: str, fix: str = "unpack it, or remove it") -> None:
        super().__init__(why)
        self.why, self.fix = why, fix


@dataclass
class Budget:
    """What may still be unpacked of one file, in bytes and in pieces."""

    bytes: int = LARGEST_BYTES
    parts: int = MOST_PARTS

    def spend(self, size: int) -> None:
        """Counts what was unpacked.

        Raises:
            Refused: it is more than allowed.
        """
        self.bytes -= size
        self.parts -= 1
        if self.bytes < 0:
            raise Refused(f"it unpacks to more than {LARGEST_BYTES // 2**20} MiB", "split it")
        if self.parts < 0:
            raise Refused(f"it holds more than {MOST_PARTS:,} pieces", "split it")


def unread(
    place: str, data: bytes, why: str, fix: str = "unpack it, or remove it"
) -> SensitiveValue:
    """Bytes that were not read, or not all of them: why, without anything of the content."""
    digest = str(mask(hashlib.sha256(data).hexdigest()))
    return SensitiveValue(UNREAD, why, place, 0, 0, fix, digest)


def table_part(place: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> ScannedPart:
    """Rows as CSV, one a line, all cells quoted so that numbers of two cells are not joined."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow([_one_line(name) for name in names])
    writer.writerows([_one_line(cell) for cell in row] for row in rows)
    content = text.getvalue()
    return ScannedPart(place, content, CsvTable(content, list(names)))


def _one_line(cell: str) -> str:
    return cell.replace("\r", " ").replace("\n", " ")


Piece = ScannedPart | tuple[str, bytes]


def table_reader(data: bytes) -> Callable[[bytes, str, Budget], Iterator[Piece]] | None:
    """What reads this kind of file; None when it is not a kind of table."""
    if data[DUCKDB_AT : DUCKDB_AT + len(DUCKDB)] == DUCKDB:
        return duckdb_tables
    return parquet_rows if data.startswith(PARQUET) and data.endswith(PARQUET) else None


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

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        facts = {**(file.metadata.metadata or {}), b"created_by": str(file.metadata.created_by)}
        texts = (f"{_text(key)}={_text(value)}" for key, value in facts.items())
        yield _defined(place, texts, budget)
        names = file.schema_arrow.names
        for number, batch in enumerate(file.iter_batches(batch_size=ROWS_PER_PART), 1):
            rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
            yield from _rows(f"{place}!batch {number}", names, rows, budget)
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
        short = len(cell) <= LARGEST_TEXT and b"\0" not in cell
        return cell.decode("utf-8", "replace") if short else ""
    return "" if cell is None else str(cell)
