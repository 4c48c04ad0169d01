"""`mbp cdc land`: files that a Debezium pipeline wrote (JSON lines, Parquet), in the order of their names.

A file is one transaction: its changes, and the row that says it was taken in. A record that cannot be taken in is a
dead letter, a file that cannot be taken in is left out; the rest lands in either case.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from mbp.core.errors import MbpError
from mbp.core.paths import inside
from mbp.core.wording import many
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.commit_order import SourcePlace
from mbp.ingest.cdc.debezium_records import (
    ROW_OPERATIONS,
    TOMBSTONE,
    Converter,
    UnreadableRecordError,
    read_json,
    stored_record,
    table_of,
)
from mbp.ingest.cdc.debezium_values import KEPT_BYTES, RECORD_BYTES, RefusedRecordError
from mbp.ingest.cdc.intake import UNKNOWN_TABLE, Counts, Intake
from mbp.ingest.cdc.sink import Sink
from mbp.ingest.raw_tables import CDC_LANDED, raw_tables

SLOT = "mbp_landing"
UNFINISHED = (".tmp", ".part", ".inprogress", ".crc")
Say = Callable[[str], None]
LINES, PARQUET = (".jsonl", ".ndjson", ".json"), (".parquet",)
PARQUET_ROWS = 10_000


@dataclass
class Landed:
    """What a run took in.

    Attributes:
        files: taken in now; known: taken in before; left: not taken, and why it should be checked.
        waiting: dead letters of this and earlier runs that are not delivered yet.
    """

    files: int = 0
    known: int = 0
    left: list[str] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    waiting: int = 0

    @property
    def problems(self) -> str:
        """What is not in the logs, in a few words; empty: nothing."""
        messages = list(self.left)
        if self.waiting:
            messages.append(f"{self.waiting:,} records in quarantine")
        return ", ".join(messages)


def land(root: Path, target: str, folder: Path, say: Say) -> Landed:
    """Takes in what is new in a folder and the folders in it; run again it takes nothing twice.

    Raises:
        MbpError: no file to read, or no warehouse. The first of the files that could not be taken in (it has
            changed, it cannot be read, the pipeline's settings lose what is needed), after all others were.
    """
    if not folder.is_dir():
        raise MbpError(
            "no such folder", path=str(folder), fix="name the folder the pipeline writes to"
        )
    tables = raw_tables(root)
    lander = _Lander(Sink(root, target, SLOT, tables), change_shape.by_name(tables), say)
    try:
        paths = lander.files(folder)
        unusable = lander.take(paths, folder)
        if not paths:
            raise MbpError(
                "no file of JSON lines or Parquet is there",
                path=str(folder),
                fix=f"name a folder with files that end in {', '.join((*LINES, *PARQUET))}",
            )
        lander.landed.waiting = sum(lander.sink.control().letter_counts().values())
    finally:
        lander.sink.close()
    if unusable:
        if len(unusable) > 1:
            say(f"{len(unusable)} files could not be taken in; this is the first of them")
        raise unusable[0]
    return lander.landed


class _Lander:
    def __init__(self, sink: Sink, columns: dict[str, list[tuple[str, str]]], say: Say) -> None:
        self.sink, self.columns, self.say = sink, columns, say
        self.converter = Converter(columns)
        self.landed = Landed()
        place = sink.place()
        self.position = place.lsn if place else 0
        self.hashes = self._hashes()
        sink.close()

    def files(self, folder: Path) -> list[Path]:
        listed = []
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
            name = path.relative_to(folder).as_posix()
            if not path.is_file():
                continue
            if any(part.startswith((".", "_")) for part in name.split("/")) or (
                path.suffix in UNFINISHED
            ):
                self.say(f"{name}: left alone, it is hidden or not finished")
            elif path.suffix in (*LINES, *PARQUET):
                listed.append(path)
                inside(folder, name)
            else:
                self.say(f"{name}: not taken in, it is neither JSON lines nor Parquet")
                self.landed.left.append(f"{name} is of no known kind")
        return listed

    def take(self, paths: list[Path], folder: Path) -> list[UnusableFileError]:
        """Takes in what can be, and returns why the others cannot."""
        unusable = []
        for path in paths:
            try:
                self.file(path, path.relative_to(folder).as_posix())
            except UnusableFileError as error:
                self.sink.close()
                self.say(f"not taken in: {error}")
                unusable.append(error)
        return unusable

    def file(self, path: Path, name: str) -> None:
        before = _stamp(path)
        if before[0] == 0:
            self.say(f"{name}: left alone, it is empty")
            self.landed.left.append(f"{name} is empty")
            return
        digest = _sha256(path)
        if self._is_known(name, digest):
            return
        control = self.sink.control()
        if control.warehouse.engine == "postgres":
            control.warehouse.query("select pg_advisory_xact_lock(hashtext('mbp cdc land'))")
        self.hashes = self._hashes()
        if self._is_known(name, digest):  # by another process, meanwhile
            self.sink.close()
            return
        intake = Intake(self.sink, self.columns)
        try:
            self._take(path, name, intake)
        except MbpError as error:
            self.sink.close()
            if error.path is not None:
                raise
            raise MbpError(error.what, path=name, fix=error.fix) from error
        if _stamp(path) != before:
            raise UnusableFileError(
                "changed while it was read",
                path=name,
                fix="write files under a name that ends in .tmp, and rename them when they are whole",
            )
        self.position = max(self.position, intake.position)
        counts = intake.counts
        control = self.sink.control()
        marks = ", ".join([control.mark] * 5)
        control.warehouse.execute(
            f"insert into {CDC_LANDED} values ({marks}, current_timestamp)",
            [SLOT, name, digest, counts.changes, counts.repeated],
        )
        self.sink.commit(SourcePlace(self.position))
        self.hashes[name] = digest
        self._count(name, counts)

    def _take(self, path: Path, name: str, intake: Intake) -> None:
        hint = table_of(name, self.columns)
        tombstones = deletes = understood = 0
        first_refusal: str | None = None
        # Table -> what is wrong with its first record that shows a wrong setting of the pipeline.
        lost: dict[str, UnusableFileError] = {}
        taken: set[str] = set()
        for number, payload, record in records_of(path, name):
            try:
                if isinstance(record, ValueError):
                    raise RefusedRecordError(str(record))
                understood += isinstance(record, dict) or record is None
                change = self.converter.change(record, hint)
            except RefusedRecordError as error:
                first_refusal = first_refusal or f"line {number}: {error}"
                table = hint if isinstance(record, ValueError) else self.converter.table
                intake.refuse(table, f"{name}:{number}: {error}", payload)
                continue
            except MbpError as error:
                table = self.converter.table or UNKNOWN_TABLE
                problem = UnusableFileError(error.what, path=name, line=number, fix=error.fix)
                lost.setdefault(table, problem)
                intake.refuse(table, f"{name}:{number}: {error.what}", payload)
                continue
            deletes += change.kind == "d"
            tombstones += change.kind == TOMBSTONE and understood > 1
            if change.kind in ROW_OPERATIONS:
                taken.add(change.table)
            intake.take(change, payload)
        # A single record among good ones is a record; when no row of a table can be taken, it is the pipeline.
        for table, problem in lost.items():
            if table not in taken:
                raise problem
        if not understood:
            raise UnusableFileError(
                f"no record in it can be read ({first_refusal})",
                path=name,
                fix="JSON lines: one record per line, in UTF-8",
            )
        if tombstones and not deletes:
            raise UnusableFileError(
                "it has tombstones but no deletes, so the pipeline drops them",
                path=name,
                fix="set transforms.unwrap.delete.tombstone.handling.mode=rewrite, and write the records again",
            )
        intake.flush()

    def _is_known(self, name: str, digest: str) -> bool:
        known = self.hashes.get(name)
        if known is not None and known != digest:
            raise UnusableFileError(
                "was taken in before, and has other content now",
                path=name,
                fix="give new records a new file; changes that the logs have already are left out by themselves",
            )
        if known is not None:
            self.landed.known += 1
        return known is not None

    def _hashes(self) -> dict[str, str]:
        control = self.sink.control()
        sql = f"select file_name, sha256 from {CDC_LANDED} where slot = {control.mark}"
        return {str(row[0]): str(row[1]) for row in control.warehouse.query(sql, [SLOT])[1]}

    def _count(self, name: str, counts: Counts) -> None:
        total = self.landed.counts
        self.landed.files += 1
        total.changes += counts.changes
        total.repeated += counts.repeated
        total.refused += counts.refused
        messages = [many(counts.changes, "change")]
        if counts.repeated:
            messages.append(f"{counts.repeated:,} known already")
        if counts.refused:
            messages.append(f"{counts.refused:,} in quarantine")
        for kind, count in sorted(counts.other.items()):
            total.other[kind] = total.other.get(kind, 0) + count
            messages.append(f"{count:,} of {kind} left out")
        self.say(f"{name}: {', '.join(messages)}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def summary(landed: Landed) -> str:
    """As JSON."""
    counts = landed.counts
    return json.dumps(
        {
            "files": landed.files,
            "known_files": landed.known,
            "changes": counts.changes,
            "repeated": counts.repeated,
            "refused": counts.refused,
            "in_quarantine": landed.waiting,
            "left_out": dict(sorted(counts.other.items())),
            "left": landed.left,
        },
        indent=2,
    )


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
        while raw := file.readline(RECORD_BYTES):
            number += 1
            long = len(raw) == RECORD_BYTES and not raw.endswith(b"\n")
            whole = _skip(file) if long else raw.endswith(b"\n")
            line = raw.strip()
            if not line:
                continue
            try:
                if long:
                    line = line[:KEPT_BYTES]
                    raise UnreadableRecordError(
                        f"is longer than {RECORD_BYTES >> 20} MiB; its beginning is kept"
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
    while part := file.readline(RECORD_BYTES):
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
        return str(column)[:KEPT_BYTES]
