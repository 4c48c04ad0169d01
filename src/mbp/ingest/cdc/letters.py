"""Dead letters: changes that could not be written, with all that is needed to try again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any

from mbp.core.errors import MbpError
from mbp.ingest.cdc.pgoutput import TableShape

# `relation` of a letter whose payload is the row itself, as JSON, and not a message of the source.
ROW = "row"


@dataclass(frozen=True)
class Letter:
    """One change.

    Attributes:
        kind: 'value' (does not fit its column), 'message' (cannot be decoded), 'parked' (its table is stopped).
        committed_at_milliseconds: Unix time of the commit at the source; None where it is not known.
        relation: the shape it was sent in; None: the payload is the row as JSON.
        payload: the message as it came.
    """

    table: str
    position: int
    committed_at_milliseconds: int | None
    kind: str
    reason: str
    relation: TableShape | None
    payload: bytes

    @property
    def id(self) -> str:
        """The same change is the same letter, however often it comes."""
        return hashlib.sha256(f"{self.table} {self.position} ".encode() + self.payload).hexdigest()[
            :32
        ]


def row_letter(table: str, row: Sequence[str | None], reason: str, position: int) -> Letter:
    """A letter about a row of the raw table that did not come as a message of `pgoutput`."""
    return Letter(table, position, None, "value", reason, None, json.dumps(list(row)).encode())


def stored(letter: Letter, slot: str) -> list[str | None]:
    """As a row of `_cdc_dead_letters`, as text."""
    committed = letter.committed_at_milliseconds
    return [
        letter.id,
        slot,
        letter.table,
        str(letter.position),
        None if committed is None else _instant(committed),
        letter.kind,
        letter.reason,
        ROW if letter.relation is None else json.dumps(astuple(letter.relation)),
        letter.payload.hex(),
        datetime.now(UTC).isoformat(timespec="microseconds"),
    ]


def restored(row: Sequence[object]) -> Letter:
    """From (table_name, position, committed ms, kind, reason, relation, payload).

    Raises:
        MbpError: what is stored is no letter.
    """
    table, position, milliseconds, kind, reason, relation, payload = row
    try:
        shape = None if relation == ROW else _relation(json.loads(str(relation)))
        return Letter(
            str(table),
            int(str(position)),
            None if milliseconds is None else int(float(str(milliseconds))),
            str(kind),
            str(reason),
            shape,
            bytes.fromhex(str(payload)),
        )
    except (ValueError, TypeError) as error:
        raise MbpError(
            f"the dead letter of {table} at {position} cannot be read: {error}",
            fix="restore raw_mbp._cdc_dead_letters from a backup, or `mbp cdc resnapshot` the table",
        ) from error


def _relation(stored_as: Sequence[Any]) -> TableShape:
    number, schema, name, identity, columns = stored_as
    listed = tuple((str(column), int(kind), int(more)) for column, kind, more in columns)
    return TableShape(int(number), str(schema), str(name), str(identity), listed)


def _instant(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
