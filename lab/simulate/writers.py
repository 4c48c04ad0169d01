"""Writes tables to a folder: whole or not at all, and never over files that are not ours."""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lab.simulate import schema
from mbp.core.errors import MbpError

AFTER_BUILD = "after_build.sql"
# Rendered beside the committed sample; survives when the sample is made again.
KEPT = ("_sample__seeds.gen.yml",)
CSV_NAMES = tuple(f"{schema.seed_name(table)}.csv" for table in schema.TABLES)
PART = re.compile(r"part-\d{5}\.parquet")
PARQUET_ROWS_PER_GROUP = 122_880


class TableWriter(Protocol):
    """Takes chunks of tables in the order of the stream."""

    def write(self, table: str, chunk: pa.Table) -> None:
        """Appends rows to a table."""

    def close(self) -> None:
        """Completes all files; every table exists afterwards, also when it has no rows."""


class CsvWriter:
    """One CSV per table; null is an empty field, instants carry microseconds and +00:00."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self._files: dict[str, IO[str]] = {}
        for table, name in zip(schema.TABLES, CSV_NAMES, strict=True):
            path = folder / name
            file = self._stack.enter_context(path.open("w", encoding="utf-8", newline=""))
            csv.writer(file, lineterminator="\n").writerow(schema.SCHEMAS[table].names)
            self._files[table] = file

    def write(self, table: str, chunk: pa.Table) -> None:
        """Appends rows to a table."""
        columns = [_as_text(column).to_pylist() for column in chunk.columns]
        writer = csv.writer(self._files[table], lineterminator="\n")
        writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        """Closes all files."""
        self._stack.close()


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_timestamp(column.type):
        plain = column.cast(pa.timestamp("us"))
        return pc.binary_join_element_wise(plain.cast(pa.string()), "+00:00", "")
    return column.cast(pa.string())


class ParquetWriter:
    """One folder per table (`mbp.quotes/part-00000.parquet`), a part per chunk of the stream."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._parts = dict.fromkeys(schema.TABLES, 0)
        self._waiting: dict[str, list[pa.Table]] = {table: [] for table in schema.TABLES}

    def write(self, table: str, chunk: pa.Table) -> None:
        """Appends rows to a table; small chunks are joined until a part is worth a file."""
        waiting = self._waiting[table]
        waiting.append(chunk)
        if sum(part.num_rows for part in waiting) >= 2 * PARQUET_ROWS_PER_GROUP:
            self._flush(table)

    def close(self) -> None:
        """Writes what still waits."""
        for table, waiting in self._waiting.items():
            if waiting or not self._parts[table]:
                self._flush(table)

    def _flush(self, table: str) -> None:
        waiting = self._waiting[table]
        rows = pa.concat_tables(waiting) if waiting else schema.SCHEMAS[table].empty_table()
        folder = self.folder / table
        folder.mkdir(exist_ok=True)
        pq.write_table(
            rows,
            folder / f"part-{self._parts[table]:05d}.parquet",
            row_group_size=PARQUET_ROWS_PER_GROUP,
            compression="snappy",
            use_dictionary=[name for name in rows.column_names if name in _REPEATING],
            write_statistics=True,
        )
        self._parts[table] += 1
        waiting.clear()


_REPEATING = frozenset(
    ["market_id", "__op", "__deleted", "status", "category", "name", "service_name", "page"]
)


def make_writer(file_format: str, folder: Path) -> TableWriter:
    """A writer for `csv` or `parquet`.

    Raises:
        MbpError: another format.
    """
    if file_format == "csv":
        return CsvWriter(folder)
    if file_format == "parquet":
        return ParquetWriter(folder)
    raise MbpError(f"--format {file_format}: expected csv or parquet", fix="use csv or parquet")


def write_chunks(writer: TableWriter, chunks: Iterable[tuple[str, pa.Table]]) -> dict[str, int]:
    """Writes all chunks; rows per table."""
    rows = dict.fromkeys(schema.TABLES, 0)
    for table, chunk in chunks:
        writer.write(table, chunk)
        rows[table] += chunk.num_rows
    writer.close()
    return rows


def check_ours(folder: Path) -> None:
    """Refuses a folder that holds anything but a simulation's own files.

    Raises:
        MbpError: names the first foreign file.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise MbpError("not a folder", path=folder, fix="give --output a new folder")
    known = {*CSV_NAMES, *KEPT, AFTER_BUILD}
    for entry in sorted(folder.iterdir()):
        parts = entry.name in schema.TABLES and entry.is_dir() and not entry.is_symlink()
        if parts and all(PART.fullmatch(part.name) for part in entry.iterdir()):
            continue
        if entry.name in known and entry.is_file():
            continue
        raise MbpError(
            f"holds {entry.name}, which no simulation wrote; nothing was written",
            path=folder,
            fix="give --output a new or empty folder",
        )


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block ends without an error.

    Files written by hand (`KEPT`) move into the new folder.

    Raises:
        MbpError: `folder` holds files that are not ours, or cannot be made.
    """
    check_ours(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    except OSError as error:
        raise MbpError(
            f"cannot write: {error.strerror}",
            path=folder,
            fix="name a folder of yours that has room",
        ) from error
    old = staging / "replaced"
    fresh = staging / "fresh"
    fresh.mkdir()
    try:
        yield fresh
        for name in KEPT:
            if (folder / name).is_file():
                shutil.copy2(folder / name, fresh / name)
        if folder.exists():
            folder.rename(old)
        try:
            fresh.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_world(world: Any, folder: Path, file_format: str = "csv") -> dict[str, int]:
    """Writes a world's tables into an existing empty folder; rows per table."""
    return write_chunks(make_writer(file_format, folder), world.items())
