"""Messages of PostgreSQL's logical replication, plugin `pgoutput`, protocol version 1, values as text.

The format is described in PostgreSQL's documentation, "Logical Replication Message Formats". A message of an unknown
kind is refused: what is not understood must not be skipped.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from mbp.core.errors import MbpError

# 2000-01-01 in Unix microseconds: PostgreSQL counts from there.
POSTGRES_EPOCH_MICROSECONDS = 946_684_800_000_000
TEXT, NULL, NOT_SENT = b"tnu"
RELATION_BYTES = 5  # kind and relation of a change
ROW_BYTES = 6  # and the mark of an insert's row
KIND_AND_LENGTH = struct.Struct(">BI").unpack_from


class Unchanged:
    """A large value that an update did not touch and PostgreSQL therefore did not send."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED = Unchanged()
Value = str | None | Unchanged


@dataclass(frozen=True)
class Begin:
    """A transaction; instants in Unix microseconds. `final_lsn` is where it was committed."""

    final_lsn: int
    committed_at_microseconds: int


@dataclass(frozen=True)
class Commit:
    """Its end. After `end_lsn` the next one can begin."""

    end_lsn: int


@dataclass(frozen=True)
class TableShape:
    """The shape of a table from here on; sent before its first change and after each change of the shape.

    Attributes:
        columns: (name, type oid, type modifier) in order.
        identity: 'f' when old rows are sent whole.
    """

    relation_id: int
    schema: str
    name: str
    identity: str
    columns: tuple[tuple[str, int, int], ...]


class RowChange(NamedTuple):
    """One row: kind 'c', 'u' or 'd'; `old` where the source sends it."""

    kind: str
    relation_id: int
    old: tuple[Value, ...] | None
    new: tuple[Value, ...] | None


@dataclass(frozen=True)
class Truncate:
    """Tables that were emptied in one statement."""

    relation_ids: tuple[int, ...]


@dataclass(frozen=True)
class Note:
    """A message written into the log with `pg_logical_emit_message`; ours are heartbeats."""

    prefix: str


@dataclass(frozen=True)
class Ignored:
    """Origin and type messages say nothing of a row."""

    kind: str


Message = Begin | Commit | TableShape | RowChange | Truncate | Note | Ignored


def decode(payload: bytes) -> Message:
    """One message.

    Raises:
        MbpError: of an unknown kind, or cut short.
    """
    reader = _Reader(payload)
    kind = reader.character()
    try:
        if kind == "I":
            (relation_id,) = reader.numbers(">I")
            reader.expect("N")
            return RowChange("c", relation_id, None, reader.row())
        if kind == "B":
            final, at, _ = reader.numbers(">QqI")
            return Begin(final, at + POSTGRES_EPOCH_MICROSECONDS)
        if kind == "C":
            _, _, end, _ = reader.numbers(">BQQq")
            return Commit(end)
        if kind == "R":
            return _relation(reader)
        if kind in "UD":
            return _change(reader, kind)
        if kind == "T":
            count, _ = reader.numbers(">IB")
            return Truncate(reader.numbers(f">{count}I"))
        if kind == "M":
            reader.numbers(">BQ")
            return Note(reader.text())
        if kind in "OY":
            return Ignored(kind)
    except (struct.error, IndexError, ValueError) as error:
        what = f"a replication message of kind {kind!r} is broken: {error}"
        raise MbpError(what, fix="check the versions of source and reader") from error
    raise MbpError(f"unknown kind {kind!r} of replication message", fix="use protocol version 1")


def inserted(payload: bytes) -> tuple[int, list[Value]] | None:
    """(relation, values) of an insert whose values are all plain ASCII texts or null; None: ask `decode`.

    Nearly every message of a busy source is one, and most of a reader's time goes into them: one decoding of the
    whole message, and slices of it.
    """
    if payload[:1] != b"I" or not payload[ROW_BYTES:].isascii():
        return None
    text = payload.decode("latin-1")
    values: list[Value] = []
    at, end = ROW_BYTES + 2, len(payload)
    try:
        for _ in range(int.from_bytes(payload[ROW_BYTES:at])):
            kind, length = KIND_AND_LENGTH(payload, at)
            if kind == TEXT:
                at += 5
                values.append(text[at : at + length])
                at += length
            elif kind == NULL:
                values.append(None)
                at += 1
            else:
                return None
    except struct.error:
        # A null at the very end has no length after it.
        return None
    return (int.from_bytes(payload[1:RELATION_BYTES]), values) if at == end else None


def relation_of(payload: bytes) -> int | None:
    """The relation that a change speaks of, readable even where its row is not; None: it is not a change."""
    if payload[:1] not in (b"I", b"U", b"D") or len(payload) < RELATION_BYTES:
        return None
    return int.from_bytes(payload[1:RELATION_BYTES])


def _relation(reader: _Reader) -> TableShape:
    (relation_id,) = reader.numbers(">I")
    schema, name = reader.text(), reader.text()
    identity = reader.character()
    (count,) = reader.numbers(">H")
    columns = []
    for _ in range(count):
        reader.numbers(">B")
        column = reader.text()
        type_id, modifier = reader.numbers(">Ii")
        columns.append((column, type_id, modifier))
    return TableShape(relation_id, schema, name, identity, tuple(columns))


def _change(reader: _Reader, kind: str) -> RowChange:
    (relation_id,) = reader.numbers(">I")
    mark = reader.character()
    old = None
    if mark in "KO":
        old = reader.row()
        if kind == "D":
            return RowChange("d", relation_id, old, None)
        mark = reader.character()
    if kind == "D" or mark != "N":
        raise IndexError(f"mark {mark!r}")
    return RowChange("u", relation_id, old, reader.row())


class _Reader:
    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.at = 0

    def character(self) -> str:
        self.at += 1
        return chr(self.payload[self.at - 1])

    def expect(self, mark: str) -> None:
        text = self.character()
        if text != mark:
            raise IndexError(f"mark {text!r} instead of {mark!r}")

    def numbers(self, form: str) -> tuple[int, ...]:
        row = struct.unpack_from(form, self.payload, self.at)
        self.at += struct.calcsize(form)
        return row

    def text(self) -> str:
        end = self.payload.index(b"\0", self.at)
        value = self.payload[self.at : end].decode()
        self.at = end + 1
        return value

    def row(self) -> tuple[Value, ...]:
        """The values of one row. Most of the reader's time is spent here: plain indexing, no calls per byte."""
        (count,) = self.numbers(">H")
        payload, at = self.payload, self.at
        values: list[Value] = []
        for _ in range(count):
            kind = payload[at]
            at += 1
            if kind == TEXT:
                end = at + 4 + int.from_bytes(payload[at : at + 4])
                if end > len(payload):
                    raise IndexError("a value is cut short")
                values.append(payload[at + 4 : end].decode())
                at = end
            elif kind == NULL:
                values.append(None)
            elif kind == NOT_SENT:
                values.append(UNCHANGED)
            else:
                raise IndexError(f"a value of kind {chr(kind)!r}")
        self.at = at
        return tuple(values)
