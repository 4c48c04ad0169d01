"""Records in files of a pipeline: JSON lines and Parquet, one by one, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mbp.core.errors import MbpError
from mbp.ingest.cdc import bounds
from mbp.ingest.cdc.debezium_records import UnreadableRecordError, read_json, stored_record

LINES, PARQUET = (".jsonl", ".ndjson", ".json"), (".parquet",)
PARQUET_ROWS = 10_000


class UnusableFileError(MbpError):
    """A file that cannot be taken in, or not yet; others can."""


def records_of(path: Path, name: str) -> Iterator[tuple[int, bytes, Any]]:
    """Number from 1, the record as it is kept, and what was read of it or the ValueError why nothing was.

    Raises:
        UnusableFileError: the file is cut short, or is no Parquet.
    """
    return _lines(path, name) if path.suffix in LINES else _rows(path, name)


def _lines(path: Path, name: str) -> Iterator[tuple[int, bytes, Any]]:
    number = 0
    with path.open("rb") as file:
        while raw := file.readline(bounds.RECORD_BYTES):
            number += 1
            long = len(raw) == bounds.RECORD_BYTES and not raw.endswith(b"\n")
            whole = _skip(file) if long else raw.endswith(b"\n")
            line = raw.strip()
            if not line:
                continue
            try:
                if long:
                    line = line[: bounds.KEPT_BYTES]
                    raise UnreadableRecordError(
                        f"is longer than {bounds.RECORD_BYTES >> 20} MiB; its beginning is kept"
                    )
                record: Any = read_json(_text(line))
            except UnreadableRecordError as error:
                if not whole and number > 1:
                    raise UnusableFileError(
                        "ends within a record",
                        path=name,
                        line=number,
                        fix="it is still being written, or was cut short: run it again when the file is whole",
                    ) from error
                record = error
            yield number, line, record


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise UnreadableRecordError("is not UTF-8") from error


def _skip(file: IO[bytes]) -> bool:
    """Goes on to the next line; False: there is no end of this one."""
    while part := file.readline(bounds.RECORD_BYTES):
        if part.endswith(b"\n"):
            return True
    return False


def _rows(path: Path, name: str) -> Iterator[tuple[int, bytes, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(PARQUET_ROWS):
                for payload, record in _of_batch(batch):
                    number += 1
                    yield number, payload, record
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnusableFileError(
            f"cannot be read as Parquet: {reason}",
            path=name,
            fix="have the pipeline write it again",
        ) from error


def _of_batch(batch: Any) -> Iterator[tuple[bytes, Any]]:
    try:
        records = batch.to_pylist()
    except (ValueError, OverflowError):
        # A value that Python cannot hold (an instant of the year 30000, text that is not UTF-8): row by row then.
        for place in range(batch.num_rows):
            yield _one(batch.slice(place, 1))
        return
    for record in records:
        yield stored_record(record), record


def _one(row: Any) -> tuple[bytes, Any]:
    try:
        (record,) = row.to_pylist()
    except (ValueError, OverflowError):
        kept = {name: _readable(row.column(name)) for name in row.schema.names}
        return stored_record(kept), UnreadableRecordError("has a value that cannot be read")
    return stored_record(record), record


def _readable(column: Any) -> Any:
    """The one value of a column, or its text as Arrow shows it."""
    try:
        return column.to_pylist()[0]
    except (ValueError, OverflowError):
        return str(column)[: bounds.KEPT_BYTES]
