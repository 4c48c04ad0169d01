"""Stands in for a Debezium pipeline that writes files: from what pgoutput sends, records as Debezium shapes them."""

from __future__ import annotations

import json
import select
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mbp.ingest.cdc.market_source import PUBLICATION, MarketSource, lsn_number
from mbp.ingest.cdc.pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    Message,
    RowChange,
    TableShape,
    Truncate,
    Value,
    decode,
)

SLOT = "pipeline"
Columns = Mapping[str, Sequence[tuple[str, str]]]
Record = dict[str, Any]


@dataclass
class Pipeline:
    """Writes a file (Parquet: one per table) per round. `form`: 'jsonl' (envelopes), 'flat' (JSON lines), 'parquet'."""

    source: MarketSource
    folder: Path
    form: str
    columns: Columns
    round: int = 0
    position: int = 0
    committed: int | None = None
    relations: dict[int, TableShape] = field(default_factory=dict)

    def write(self) -> None:
        records = list(self._stream() if self.position else self._snapshot())
        self.round += 1
        if self.form == "parquet":
            for table in self.columns:
                own = [one for one in records if one["source"]["table"] == table]
                if own:
                    self._write_parquet(table, own)
            return
        lines = [line for one in records for line in self._lines(one)]
        target = self.folder / f"{self.round:06d}.jsonl"
        target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        if not lines:
            target.unlink()

    def drop(self) -> None:
        connection = self.source.connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s",
                [SLOT],
            )
        connection.close()

    def _snapshot(self) -> Iterator[Record]:
        replication = self.source.connect(replication=True)
        with replication.cursor() as cursor:
            cursor.execute(f"CREATE_REPLICATION_SLOT {SLOT} LOGICAL pgoutput (SNAPSHOT 'export')")
            _, point, name, _ = cursor.fetchone()
        self.position = lsn_number(point)
        connection = self.source.connect()
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor() as cursor:
            cursor.execute("set transaction snapshot %s", [name])
            cursor.execute("select (extract(epoch from clock_timestamp()) * 1000000)::bigint")
            at = cursor.fetchone()[0]
            for table in self.columns:
                listed = ", ".join(f'"{column}"::text' for column, _ in self.columns[table])
                cursor.execute(f"select {listed} from {table}")
                for row in cursor.fetchall():
                    names = [column for column, _ in self.columns[table]]
                    after = dict(zip(names, row, strict=True))
                    yield self._record(table, "r", None, after, self.position, at)
        connection.close()
        replication.close()

    def _stream(self) -> Iterator[Record]:
        until, connection = self._end(), self.source.connect(replication=True)
        cursor = connection.cursor()
        options = {"proto_version": "1", "publication_names": PUBLICATION, "messages": "true"}
        cursor.start_replication(
            slot_name=SLOT, start_lsn=self.position, options=options, decode=False
        )
        at, open_transaction = 0, False
        while True:
            message = cursor.read_message()
            if message is None:
                if not open_transaction and max(int(cursor.wal_end or 0), self.position) >= until:
                    break
                select.select([cursor], [], [], 0.02)
                cursor.send_feedback(flush_lsn=self.position, reply=True)
                continue
            decoded = decode(message.payload)
            if isinstance(decoded, Begin):
                at, open_transaction = decoded.committed_at_microseconds, True
            elif isinstance(decoded, Commit):
                self.position, open_transaction = decoded.end_lsn, False
                self.committed = decoded.end_lsn
            else:
                yield from self._changes(decoded, message.data_start, at)
        cursor.send_feedback(flush_lsn=self.position, force=True)
        connection.close()

    def _changes(self, message: Message, position: int, at: int) -> Iterator[Record]:
        if isinstance(message, TableShape):
            self.relations[message.relation_id] = message
        elif isinstance(message, Truncate):
            for number in message.relation_ids:
                yield self._record(self.relations[number].name, "t", None, None, position, at)
        elif isinstance(message, RowChange):
            relation = self.relations[message.relation_id]
            names = [name for name, _, _ in relation.columns]
            old = _named(names, message.old)
            new = _named(names, message.new)
            if new is not None and old is not None:
                # Debezium fills in what an update left alone, when old rows are sent whole.
                new = {key: old[key] if new[key] is UNCHANGED else new[key] for key in new}
            key = names[0]
            if message.kind == "u" and old and new and old[key] != new[key]:
                yield self._record(relation.name, "d", old, None, position, at)
                yield self._record(relation.name, "c", None, new, position, at)
                return
            yield self._record(relation.name, message.kind, old, new, position, at)

    def _record(
        self,
        table: str,
        operation: str,
        old: Mapping[str, Any] | None,
        new: Mapping[str, Any] | None,
        position: int,
        at: int,
    ) -> Record:
        return {
            "before": self._typed(table, old),
            "after": None if operation == "d" else self._typed(table, new),
            "source": {
                "version": "3.6.3.Final",
                "connector": "postgresql",
                "name": "market",
                "ts_ms": at // 1000,
                "snapshot": "true" if operation == "r" else "false",
                "db": self.source.database,
                "ts_us": at,
                "ts_ns": at * 1000,
                "schema": "public",
                "table": table,
                "txId": 1,
                "lsn": position,
                "sequence": json.dumps([self.committed and str(self.committed), str(position)]),
            },
            "op": operation,
            "ts_ms": at // 1000 + 100,
        }

    def _typed(self, table: str, row: Mapping[str, Any] | None) -> Record | None:
        if row is None:
            return None
        kinds = dict(self.columns[table])
        return {name: self._value(value, kinds.get(name, "text")) for name, value in row.items()}

    def _value(self, value: str | None, kind: str) -> Any:
        if value is None or kind == "text":
            return value
        if kind == "timestamptz":
            instant = datetime.fromisoformat(value)
            zoned = instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
            return instant if self.form == "parquet" else zoned
        return Decimal(value) if self.form == "parquet" else value

    def _lines(self, record: Record) -> Iterator[str]:
        if self.form == "jsonl":
            yield json.dumps(record, ensure_ascii=False)
            if record["op"] == "d":
                yield "null"
        elif record["op"] != "t":  # ExtractNewRecordState leaves truncates out
            source = record["source"]
            yield json.dumps(
                {
                    **(record["after"] or record["before"]),
                    "__deleted": "true" if record["op"] == "d" else "false",
                    "__op": record["op"],
                    "__table": source["table"],
                    "__source_ts_ms": source["ts_ms"],
                    "__source_lsn": source["lsn"],
                    "__source_sequence": source["sequence"],
                },
                ensure_ascii=False,
            )
            if record["op"] == "d":
                yield "null"

    def _write_parquet(self, table: str, records: list[Record]) -> None:
        row = pa.struct([pa.field(name, _arrow(kind)) for name, kind in self.columns[table]])
        source = pa.struct(
            [
                pa.field(name, pa.int64() if isinstance(value, int) else pa.string())
                for name, value in records[0]["source"].items()
            ]
        )
        schema = pa.schema(
            [
                pa.field("before", row),
                pa.field("after", row),
                pa.field("source", source),
                pa.field("op", pa.string()),
                pa.field("ts_ms", pa.int64()),
            ]
        )
        name = f"{self.round:06d}.market.public.{table}.parquet"
        pq.write_table(pa.Table.from_pylist(records, schema=schema), self.folder / name)

    def _end(self) -> int:
        connection = self.source.connect()
        with connection.cursor() as cursor:
            cursor.execute("select pg_current_wal_insert_lsn()")
            found = lsn_number(cursor.fetchone()[0])
        connection.close()
        return found


def _arrow(kind: str) -> pa.DataType:
    if kind.startswith("decimal"):
        return pa.decimal128(18, 8)
    return pa.timestamp("us", tz="UTC") if kind == "timestamptz" else pa.string()


def _named(names: list[str], values: tuple[Value, ...] | None) -> Record | None:
    return None if values is None else dict(zip(names, values, strict=True))
