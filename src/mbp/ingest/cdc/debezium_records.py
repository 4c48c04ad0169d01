"""Records of Debezium's PostgreSQL connector, to changes of the raw logs.

Taken are the full envelope (before, after, source, op) and the form that `ExtractNewRecordState` flattens it to, each
with or without Kafka Connect's schema around it, and with or without key and topic beside it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mbp.core.errors import MbpError
from mbp.ingest.cdc import change_shape
from mbp.ingest.cdc.apply import PREFIX
from mbp.ingest.cdc.debezium_values import (
    MOST_MILLISECONDS,
    MOST_POSITION,
    Number,
    RefusedRecordError,
    exact_text,
)
from mbp.ingest.cdc.market_source import SCHEMA
from mbp.ingest.cdc.pgoutput import UNCHANGED, Value

TOMBSTONE, OTHER, BEAT = "tombstone", "other", "m"
ROW_OPERATIONS, TRUNCATE = "rcud", "t"
UNFORESEEN = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
ADD_FIELDS = "transforms.unwrap.add.fields=op,table,source.ts_ms,source.lsn,source.sequence"
METADATA_FIX = f"set {ADD_FIELDS} in the pipeline, or let it write whole envelopes"
# 'market.public.quotes+0+000012.jsonl', 'quotes-000012.parquet', 'abuse_events_3.jsonl'
SPLIT = re.compile(r"[.+\-/=]")
NUMBERED = re.compile(r"_?\d+$")
# What PostgreSQL keeps of a name is at most 63 bytes.
NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,63}")


class UnreadableRecordError(ValueError):
    """Text that is no JSON with one meaning; the reason, without the text."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    results = dict(pairs)
    if len(results) != len(pairs):
        raise UnreadableRecordError("a name is in one object twice")
    return results


_decode = json.JSONDecoder(
    parse_float=Number, parse_constant=Number, object_pairs_hook=_once
).decode


def read_json(text: str) -> Any:
    """A record, its fractions as they were written.

    Raises:
        UnreadableRecordError: it is no JSON, nested too deeply, has a name twice,
            or a whole number of thousands of digits.
    """
    try:
        return _decode(text)
    except UnreadableRecordError:
        raise
    except RecursionError:
        # Not from it: the trace of a thousand levels is useless.
        raise UnreadableRecordError("is nested too deeply") from None
    except ValueError as error:
        raise UnreadableRecordError("cannot be read as JSON") from error


@dataclass(frozen=True, slots=True)
class DebeziumChange:
    """One record.

    Attributes:
        kind: an operation (r, c, u, d), 't' (the table was emptied), 'm' (a heartbeat of ours), 'tombstone', or 'other'
            for what says nothing of a captured row.
        row: as `shape.row_of` gives it; empty unless it is an operation.
        after: as in `commit_order.Ordered`.
    """

    kind: str
    table: str = ""
    position: int = 0
    microseconds: int = 0
    row: Sequence[Value] = ()
    after: int | None = None

    @property
    def milliseconds(self) -> int:
        """Commit at the source, Unix time."""
        return self.microseconds // 1000


class Converter:
    """Tables of one contract and schema of the source.

    Args:
        columns: source table -> its contracted columns.

    Attributes:
        table: what is known of the table of the record that was read last, also if it was refused.
    """

    def __init__(self, columns: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        self.columns = columns
        self.table: str | None = None
        self.schema = os.environ.get("MBP_SOURCE_SCHEMA", SCHEMA)

    def change(self, record: Any, table: str | None = None) -> DebeziumChange:
        """One record, as it was parsed by `read_json` or from Parquet.

        Args:
            table: what the place of the record says of its table; the record itself knows better.

        Raises:
            RefusedRecordError: this record cannot be taken in.
            MbpError: no record of the pipeline can: a setting loses what is needed, or a contract is broken.
        """
        try:
            return self._change(record, table)
        except UNFORESEEN as error:
            # Anybody may have written it: of whatever shape it is, it is one record that cannot be taken in.
            raise RefusedRecordError(
                f"not a record of Debezium ({type(error).__name__})"
            ) from error

    def _change(self, record: Any, table: str | None) -> DebeziumChange:
        schema: Mapping[str, Any] | None = None
        self.table = table
        for _ in range(3):
            if record is None:
                return DebeziumChange(TOMBSTONE, table or "")
            if isinstance(record, str) and not isinstance(record, Number):
                try:
                    record = read_json(record)
                except UnreadableRecordError as error:
                    raise RefusedRecordError(f"a value in it {error}") from error
            if not isinstance(record, dict):
                raise RefusedRecordError("not an object")
            if "payload" in record and record.keys() <= {"schema", "payload"}:
                schema, record = record.get("schema"), record["payload"]
            elif "value" in record and ("key" in record or "topic" in record):
                self.table = table = table_of(str(record.get("topic") or ""), self.columns) or table
                record = record["value"]
            else:
                break
        if "op" in record and "source" in record:
            return self._envelope(record, schema)
        if "__op" in record:
            return self._flat(record, schema, table)
        return self._without_operation(record, table)

    def _envelope(
        self, record: Mapping[str, Any], schema: Mapping[str, Any] | None
    ) -> DebeziumChange:
        source, operation = record["source"], record["op"]
        if not isinstance(source, dict):
            raise RefusedRecordError("its source is not an object")
        position = _number(source.get("lsn"), "source.lsn")
        milliseconds = _number(source.get("ts_ms"), "source.ts_ms", MOST_MILLISECONDS)
        microseconds = milliseconds * 1000
        after = _after(source.get("sequence"), "source.sequence")
        if source.get("ts_us"):
            microseconds = _number(source["ts_us"], "source.ts_us", MOST_MILLISECONDS * 1000)
        if operation == BEAT:
            message = record.get("message")
            ours = isinstance(message, dict) and message.get("prefix") == PREFIX
            return DebeziumChange(BEAT if ours else OTHER, "", position, microseconds)
        table = _name(source.get("table"), "source.table")
        if table not in self.columns or source.get("schema", self.schema) != self.schema:
            return DebeziumChange(OTHER, table)
        if operation == TRUNCATE:
            return DebeziumChange(TRUNCATE, table, position, microseconds, after=after)
        where = "before" if operation == "d" else "after"
        row = self._row(
            table, operation, record.get(where), record.get("before"), _fields(schema, where)
        )
        return self._made(table, operation, row, position, microseconds, after)

    def _flat(
        self, record: Mapping[str, Any], schema: Mapping[str, Any] | None, place: str | None
    ) -> DebeziumChange:
        table = record.get("__table") or record.get("__source_table") or place
        if not table:
            raise MbpError("neither record nor place says the table", fix=METADATA_FIX)
        table = _name(table, "__table")
        if table not in self.columns:
            return DebeziumChange(OTHER, table)
        if record.get("__source_schema", self.schema) != self.schema:
            return DebeziumChange(OTHER, table)
        position = record.get("__source_lsn", record.get("__lsn"))
        milliseconds = record.get("__source_ts_ms")
        if position is None or milliseconds is None:
            raise MbpError("__source_lsn or __source_ts_ms is not there", fix=METADATA_FIX)
        operation = record["__op"]
        position, milliseconds = (
            _number(position, "__source_lsn"),
            _number(milliseconds, "__source_ts_ms", MOST_MILLISECONDS),
        )
        if operation == TRUNCATE:
            return DebeziumChange(TRUNCATE, table, position, milliseconds * 1000)
        row = self._row(table, operation, record, None, _fields(schema, None))
        after = _after(record.get("__source_sequence"), "__source_sequence")
        return self._made(table, operation, row, position, milliseconds * 1000, after)

    def _without_operation(self, record: Mapping[str, Any], table: str | None) -> DebeziumChange:
        if record.keys() <= {"ts_ms", "ts_us", "ts_ns", "serverName"} and record:
            return DebeziumChange(OTHER)  # a heartbeat of Debezium itself: it has no position
        if record.get("status") in ("BEGIN", "END") and "id" in record:
            return DebeziumChange(OTHER)  # where a transaction begins and ends
        columns = self.columns.get(table or str(record.get("__table")))
        if columns and columns[0][0] in record:
            raise MbpError(
                "__op is missing, so a delete cannot be distinguished from an update",
                fix=METADATA_FIX,
            )
        raise RefusedRecordError("not a record of Debezium")

    def _row(
        self, table: str, operation: Any, values: Any, before: Any, fields: Mapping[str, Any]
    ) -> list[Value]:
        self.table = table
        if not isinstance(operation, str) or len(operation) != 1 or operation not in ROW_OPERATIONS:
            raise RefusedRecordError("its operation is not one of r, c, u, d, t")
        if not isinstance(values, dict):
            raise RefusedRecordError("it has no row: the key of a deleted one is needed too")
        row: list[Value] = []
        for name, kind in self.columns[table]:
            try:
                value = exact_text(values[name], kind, name, fields.get(name))
            except KeyError:
                raise MbpError(
                    f"{table}.{name} is not in the record",
                    fix=f"action {change_shape.BREAK}: fix the source or the pipeline's column list, "
                    "or change the contract",
                ) from None
            if value is UNCHANGED:
                if not isinstance(before, dict) or before.get(name) is None:
                    raise RefusedRecordError(
                        f"{name} was left alone and not sent, and nor was the old row"
                    )
                value = exact_text(before[name], kind, name, fields.get(name))
                if value is UNCHANGED:
                    raise RefusedRecordError(f"{name} was left alone and not sent")
            row.append(value)
        if row[0] is None:
            raise RefusedRecordError("its key is null")
        return row

    @staticmethod
    def _made(
        table: str,
        operation: str,
        row: list[Value],
        position: int,
        microseconds: int,
        after: int | None,
    ) -> DebeziumChange:
        if operation == "r":
            position = change_shape.before(position)
        deleted = "true" if operation == "d" else "false"
        row += (operation, deleted, str(microseconds // 1000), str(position))
        return DebeziumChange(operation, table, position, microseconds, row, after)


def table_of(place: str, captured: Iterable[str]) -> str | None:
    """The table of `captured` that a topic or a file's name speaks of; None: none, or more than one."""
    results = {NUMBERED.sub("", part) for part in SPLIT.split(place)} & set(captured)
    return results.pop() if len(results) == 1 else None


def _fields(schema: Any, where: str | None) -> Mapping[str, Any]:
    """Name -> schema of a row's columns."""
    inner = _listed(schema)
    if where is not None:
        inner = _listed(next((field for field in inner if field["field"] == where), None))
    return {field["field"]: field for field in inner}


def _listed(schema: Any) -> Sequence[Mapping[str, Any]]:
    """The named fields of a schema; none where it is not of that form."""
    fields = schema.get("fields") if isinstance(schema, dict) else None
    if not isinstance(fields, list):
        return ()
    return [
        field for field in fields if isinstance(field, dict) and isinstance(field.get("field"), str)
    ]


def _number(value: Any, name: str, most: int = MOST_POSITION) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
        return value
    raise RefusedRecordError(f"{name} is not a number")


def _after(value: Any, name: str) -> int | None:
    """The first of a sequence, which is the text of a list: the last commit (null before the first), and the LSN."""
    if value is None:
        return None
    try:
        last, _ = read_json(value)
        return 0 if last is None else int(last)
    except (TypeError, ValueError) as error:
        raise RefusedRecordError(f"{name} is not a sequence of positions") from error


def _name(value: Any, where: str) -> str:
    """The name of a table, which is shown to people where it is not one of ours."""
    if isinstance(value, str) and NAME.fullmatch(value):
        return value
    raise RefusedRecordError(f"{where} is not a name of a table")


def stored_record(record: Any) -> bytes:
    """A record of Parquet as JSON, for a dead letter; read again it gives the same change."""
    return json.dumps(record, ensure_ascii=False, default=str).encode()
